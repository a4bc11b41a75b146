import type { SeededRandom } from '../seeded-random.ts'
import { Candles } from './candles.ts'
import { exponential, normal } from './distributions.ts'
import { roundToCents, type Instrument } from './instruments.ts'

/** Standard deviation of the relative price change in one second. */
const VOLATILITY = 0.0007
/** Weights of the market's, the sector's and the instrument's own movement. Their squares add up to 1. */
const WEIGHTS = { market: 0.36, sector: 0.48, own: 0.8 }
/** Fraction of its distance from the opening price that a price recovers in one second, so that it doesn't drift away. */
const REVERSION = 1 / 3_600
/** Shares traded per second for a company of size 1. */
const TURNOVER = 400

/** Movements that several prices have in common: samples of the standard normal distribution. */
export interface SharedMovements {
  readonly market: number
  readonly sector: number
}

/** An instrument with its price and its candles. */
export class Listing {
  readonly instrument: Instrument
  readonly candles: Candles
  readonly #random: SeededRandom
  /** Logarithm of the price relative to the opening price. */
  #logReturn = 0

  /** @param now start of trading, in milliseconds since 1970 */
  constructor (instrument: Instrument, random: SeededRandom, now: number) {
    this.instrument = instrument
    this.#random = random
    this.candles = new Candles(now, instrument.open)
  }

  get price (): number {
    return this.candles.last.close
  }

  /**
   * Moves the price and adds a trade.
   *
   * @param now in milliseconds since 1970
   * @param elapsed seconds since the previous trade
   */
  trade (now: number, elapsed: number, { market, sector }: SharedMovements): void {
    const movement = WEIGHTS.market * market + WEIGHTS.sector * sector + WEIGHTS.own * normal(this.#random)
    this.#logReturn += VOLATILITY * Math.sqrt(elapsed) * movement - REVERSION * elapsed * this.#logReturn
    const { open, size } = this.instrument
    const volume = Math.round(TURNOVER * size * elapsed * exponential(this.#random))
    this.candles.add(now, roundToCents(open * Math.exp(this.#logReturn)), volume)
  }
}
