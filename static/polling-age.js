/* The age of the latest price. Does not use the DOM. */

/** Milliseconds covered by the curve and the average. */
export const WINDOW = 60_000
/** Maximum prices in that time: about thirty per second. */
const MAX_PRICES = 2_000

/**
 * The age of the latest price: it grows with time, and drops when a newer price arrives. All times are milliseconds since
 * 1970 on the server's clock. The age is computed for every moment. Samples could always hit the same point between two
 * prices.
 */
export class Age {
  /** Prices as `{ at, time }`, the oldest first. */
  #prices = []

  /** @param at when the price arrived @param time the time of the price */
  add (at, time) {
    if (time <= this.#prices.at(-1)?.time) return
    this.#prices.push({ at, time })
    while (this.#prices.length > MAX_PRICES || this.#prices[1]?.at < at - WINDOW) this.#prices.shift()
  }

  clear () {
    this.#prices = []
  }

  /** @returns the curve of the last minute, as pairs of a time and an age, and the mean and maximum age, if there was a price */
  lastMinute (now) {
    const curve = []
    let [duration, sum, max] = [0, 0, 0]
    for (const [index, { at, time }] of this.#prices.entries()) {
      const from = Math.max(at, now - WINDOW)
      const to = Math.max(this.#prices[index + 1]?.at ?? now, from)
      curve.push([from, from - time], [to, to - time])
      duration += to - from
      sum += (to - from) * ((from + to) / 2 - time)
      max = Math.max(max, to - time)
    }
    return duration === 0 ? { curve } : { curve, mean: sum / duration, max }
  }
}
