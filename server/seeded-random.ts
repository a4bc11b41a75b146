import { createHash } from 'node:crypto'

/** A pseudorandom number generator: the same seed produces the same numbers. */
export class SeededRandom {
  #state: number

  constructor (seed: string) {
    this.#state = createHash('sha256').update(seed).digest().readInt32LE()
  }

  /** A number from 0 (inclusive) to 1 (exclusive). */
  next (): number {
    // mulberry32
    this.#state = (this.#state + 0x6D2B79F5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from 0 (inclusive) to `limit` (exclusive). */
  below (limit: number): number {
    return Math.floor(this.next() * limit)
  }

  pick<T> (choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }
}

/** Deals its items in random order, each once before any is repeated. */
export class Deck<T> {
  readonly #items: readonly T[]
  readonly #random: SeededRandom
  #remaining: T[] = []

  constructor (items: readonly T[], random: SeededRandom) {
    this.#items = items
    this.#random = random
  }

  draw (): T {
    if (this.#remaining.length === 0) this.#remaining = [...this.#items]
    return this.#remaining.splice(this.#random.below(this.#remaining.length), 1)[0]!
  }
}
