/* How old what is known is. No DOM in here. */

/** Milliseconds that are looked back at. */
export const WINDOW = 60_000
/** What was learned in them, at most: thirty times a second. */
const KEPT = 2_000

/**
 * The age of the newest price that is known: it grows as time does, and falls when a newer one is learned. All times are
 * in milliseconds since 1970, by the server's clock. It is not sampled, which would hit the same moment between two prices
 * again and again, but known for all moments.
 */
export class Age {
  /** The oldest first. */
  #learned = []

  /** @param at the moment, @param time that of the price */
  learn (at, time) {
    if (time <= this.#learned.at(-1)?.time) return
    this.#learned.push({ at, time })
    while (this.#learned.length > KEPT || this.#learned[1]?.at < at - WINDOW) this.#learned.shift()
  }

  forget () {
    this.#learned = []
  }

  /**
   * The last minute.
   *
   * @returns its curve, as pairs of a moment and an age; the age on average over all its moments, and the greatest;
   *   undefined where nothing was known
   */
  lately (now) {
    const curve = []
    let [whole, sum, most] = [0, 0, 0]
    for (const [index, { at, time }] of this.#learned.entries()) {
      const from = Math.max(at, now - WINDOW)
      const to = Math.max(this.#learned[index + 1]?.at ?? now, from)
      curve.push([from, from - time], [to, to - time])
      whole += to - from
      sum += (to - from) * ((from + to) / 2 - time)
      most = Math.max(most, to - time)
    }
    return whole === 0 ? { curve } : { curve, mean: sum / whole, most }
  }
}
