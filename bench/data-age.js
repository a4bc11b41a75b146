/** Data age: the time since the newest event that a client knows was published. */

/** Resolution and maximum age in microseconds; older data counts as being of the maximum age. */
const STEP = 100
const MAX_AGE = 60_000_000

/**
 * Data ages over all clients and all moments, rather than over samples. Between two events, a client's age grows linearly,
 * and takes each value in between for the same time.
 */
export class DataAges {
  /** For each step, the change in the number of spans that include that age. */
  #changes = new Int32Array(MAX_AGE / STEP + 2)

  /** Adds a span in which an age grew from one value to another, in microseconds. */
  add (from, to) {
    this.#changes[stepOf(from)]++
    this.#changes[stepOf(to)]--
  }

  /** @returns mean and percentiles over time, in milliseconds */
  statistics () {
    const counts = this.#countsPerStep()
    const total = counts.reduce((sum, count) => sum + count, 0)
    const percentile = share => {
      let remaining = total * share
      return counts.findIndex(count => (remaining -= count) <= 0) * STEP / 1_000
    }
    const sum = counts.reduce((sum, count, step) => sum + count * (step + 0.5) * STEP, 0)
    return { mean: sum / total / 1_000, p50: percentile(0.5), p99: percentile(0.99) }
  }

  /** The number of spans, over all clients, that include each age. */
  #countsPerStep () {
    let count = 0
    return Float64Array.from(this.#changes, change => (count += change))
  }
}

function stepOf (age) {
  return Math.min(Math.floor(age / STEP), MAX_AGE / STEP)
}
