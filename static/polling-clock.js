/* Estimates the server's clock as NTP does. Does not use the DOM. */

/** Milliseconds after which an estimate is replaced, because clocks drift. */
const MAX_AGE = 60_000

export class ServerClock {
  /** The server's time minus `performance.now()`; undefined before the first sample. */
  #offset
  #roundTrip = Infinity
  #sampledAt = 0

  /**
   * Adds a request. The one with the shortest round trip in a minute is used, because it limits the error.
   *
   * @param sentAt when the request was sent, as `performance.now()`
   * @param receivedAt when the response arrived
   * @param time the server's time in the response, in milliseconds since 1970
   */
  sample (sentAt, receivedAt, time) {
    const roundTrip = receivedAt - sentAt
    if (roundTrip > this.#roundTrip && receivedAt < this.#sampledAt + MAX_AGE) return
    this.#roundTrip = roundTrip
    this.#sampledAt = receivedAt
    this.#offset = time - (sentAt + receivedAt) / 2
  }

  /** The server's time in milliseconds since 1970; undefined before the first sample. */
  get now () {
    return this.#offset === undefined ? undefined : performance.now() + this.#offset
  }

  /** The maximum error in milliseconds. */
  get error () {
    return this.#roundTrip / 2
  }
}
