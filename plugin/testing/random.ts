import { setImmediate, setTimeout } from 'node:timers/promises'

/** Numbers that look random, and come again from the same seed. */
export class Random {
  readonly seed: number
  #state: number

  constructor (seed: number) {
    this.seed = seed
    this.#state = seed
  }

  /** A whole number from 0, less than `limit`. */
  below (limit: number): number {
    // mulberry32
    this.#state = (this.#state + 0x6D2B79F5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  pick<T> (...choices: T[]): T {
    return choices[this.below(choices.length)]!
  }

  /** Waits: for nothing, or a few steps of promises, or turns of the event loop, or for some milliseconds. */
  async pause (): Promise<void> {
    const wait = this.pick<() => unknown>(() => {}, setImmediate, () => setTimeout(1 + this.below(3)))
    for (let times = this.below(4); times > 0; times--) await wait()
  }
}
