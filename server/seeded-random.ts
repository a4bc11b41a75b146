import { createHash } from 'node:crypto'

/** Numbers that look random, and come again from the same seed. */
export class Random {
  #state: number

  constructor (seed: string) {
    this.#state = createHash('sha256').update(seed).digest().readInt32LE()
  }

  /** From 0, less than 1. */
  next (): number {
    // mulberry32
    this.#state = (this.#state + 0x6D2B79F5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0, less than `limit`. */
  below (limit: number): number {
    return Math.floor(this.next() * limit)
  }

  pick<T> (choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }
}

/** Choices in random order, each once before any comes again. */
export class Deck<T> {
  readonly #choices: readonly T[]
  readonly #random: Random
  #left: T[] = []

  constructor (choices: readonly T[], random: Random) {
    this.#choices = choices
    this.#random = random
  }

  draw (): T {
    if (this.#left.length === 0) this.#left = [...this.#choices]
    return this.#left.splice(this.#random.below(this.#left.length), 1)[0]!
  }
}
