/** How old what clients know is: the time since what is newest of it was published. */

/** Microseconds that are told apart, and those up to which they are; what is older counts as that old. */
const STEP = 100
const OLDEST = 60_000_000

/**
 * Ages at all moments of a while and of all clients, and not only at some, which would have to be chosen: an age grows
 * from what it was when something was learned to what it is when something newer is, and is each of these for as long.
 */
export class Ages {
  /** By how many more or fewer spans an age of so many steps is in than one of a step less. */
  #steps = new Int32Array(OLDEST / STEP + 2)

  /** Adds a span in which an age grew, in microseconds. */
  add (from, to) {
    this.#steps[stepOf(from)]++
    this.#steps[stepOf(to)]--
  }

  /** @returns the mean, and what half of the time and 99 % of it are not above, in milliseconds */
  figures () {
    const counts = this.#counts()
    const whole = counts.reduce((sum, count) => sum + count, 0)
    const within = share => {
      let left = whole * share
      return counts.findIndex(count => (left -= count) <= 0) * STEP / 1_000
    }
    const sum = counts.reduce((sum, count, step) => sum + count * (step + 0.5) * STEP, 0)
    return { mean: sum / whole / 1_000, p50: within(0.5), p99: within(0.99) }
  }

  /** For how many steps of time, of all clients together, an age was that of each step. */
  #counts () {
    let count = 0
    return Float64Array.from(this.#steps, step => (count += step))
  }
}

function stepOf (age) {
  return Math.min(Math.floor(age / STEP), OLDEST / STEP)
}
