import type { Random } from '../seeded-random.ts'
import { Candles } from './candles.ts'
import { cents, type Instrument } from './instruments.ts'
import { exponential, normal } from './distributions.ts'

/** How far a price gets in a second, as a part of it: the standard deviation. */
const VOLATILITY = 0.0007
/** What of that is the market's, the sector's and its own: the squares add up to 1. */
const SHARES = { market: 0.36, sector: 0.48, own: 0.8 }
/** What of its way from the beginning a price goes back in a second, so that it does not get lost in a week. */
const REVERSION = 1 / 3_600
/** Shares of a company of the size 1 that are traded in a second. */
const TURNOVER = 400

/** What moves more prices than one: of the mean 0 and the standard deviation 1. */
export interface News {
  readonly market: number
  readonly sector: number
}

/** An instrument, its price and its candles. */
export class Listing {
  readonly instrument: Instrument
  readonly candles: Candles
  readonly #random: Random
  /** The logarithm of how many times its opening price it costs. */
  #way = 0

  /** @param now when trade begins, in milliseconds since 1970 */
  constructor (instrument: Instrument, random: Random, now: number) {
    this.instrument = instrument
    this.#random = random
    this.candles = new Candles(now, instrument.open)
  }

  get price (): number {
    return this.candles.last.close
  }

  /**
   * Moves the price, and trades.
   *
   * @param now in milliseconds since 1970
   * @param elapsed seconds since the last time
   */
  trade (now: number, elapsed: number, { market, sector }: News): void {
    const move = SHARES.market * market + SHARES.sector * sector + SHARES.own * normal(this.#random)
    this.#way += VOLATILITY * Math.sqrt(elapsed) * move - REVERSION * elapsed * this.#way
    const { open, size } = this.instrument
    this.candles.add(now, cents(open * Math.exp(this.#way)), Math.round(TURNOVER * size * elapsed * exponential(this.#random)))
  }
}
