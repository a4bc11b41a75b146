/* Measures how fast a number grows. Does not use the DOM. */

/** Milliseconds over which the rate is averaged. */
const PERIOD = 10_000

export class Rate {
  #samples = []

  /** Adds a sample. @param now milliseconds @returns the recent growth per second */
  sample (number, now) {
    this.#samples.push({ number, now })
    while (this.#samples[1]?.now <= now - PERIOD) this.#samples.shift()
    const [first] = this.#samples
    return now === first.now ? 0 : (number - first.number) / (now - first.now) * 1_000
  }

  clear () {
    this.#samples = []
  }
}
