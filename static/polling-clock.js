/* The server's clock, estimated as NTP does. No DOM in here. */

/** Milliseconds after which an estimate is made anew: clocks drift apart. */
const KEPT = 60_000

export class ServerClock {
  /** What there is to add to `performance.now()`; undefined until the server has told its time. */
  #offset
  #took = Infinity
  #at = 0

  /**
   * Takes an exchange into account. The quickest of a minute counts: what was not spent on the way cannot have been spent
   * more on one way than on the other.
   *
   * @param sentAt when the server was asked, by `performance.now()`
   * @param receivedAt when its answer was there
   * @param time what its clock said, in milliseconds since 1970
   */
  sample (sentAt, receivedAt, time) {
    const took = receivedAt - sentAt
    if (took > this.#took && receivedAt < this.#at + KEPT) return
    this.#took = took
    this.#at = receivedAt
    this.#offset = time - (sentAt + receivedAt) / 2
  }

  /** In milliseconds since 1970; undefined where it is not known. */
  get now () {
    return this.#offset === undefined ? undefined : performance.now() + this.#offset
  }

  /** By how many milliseconds it may be wrong. */
  get error () {
    return this.#took / 2
  }
}
