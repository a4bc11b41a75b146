import { setImmediate, setTimeout } from 'node:timers/promises'

/** A generator of pseudorandom numbers (mulberry32). The same seed generates the same numbers. */
export class SeededRandom {
  readonly seed: number
  #state: number

  constructor (seed: number) {
    this.seed = seed
    this.#state = seed
  }

  /** An integer from 0 to `limit - 1`. */
  below (limit: number): number {
    this.#state = (this.#state + 0x6D2B79F5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  pick<T> (...choices: T[]): T {
    return choices[this.below(choices.length)]!
  }

  /** Waits for up to three promise jobs, turns of the event loop, or delays of a few milliseconds. */
  async pause (): Promise<void> {
    const wait = this.pick<() => unknown>(() => {}, setImmediate, () => setTimeout(1 + this.below(3)))
    for (let times = this.below(4); times > 0; times--) await wait()
  }
}
