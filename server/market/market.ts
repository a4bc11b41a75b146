import { SeededRandom } from '../seeded-random.ts'
import { CANDLE_LENGTH, MAX_CANDLES } from './candles.ts'
import { normal } from './distributions.ts'
import { makeInstruments, SECTORS } from './instruments.ts'
import { Listing } from './listing.ts'

/** Milliseconds between two price changes of the generated past. */
const PAST_STEP = 500
/** Longest time in milliseconds that prices move at once, even if the process was suspended for longer. */
const MAX_STEP = 10_000

/** The prices of all instruments at one moment. */
export interface Quotes {
  /** In milliseconds since 1970. */
  readonly time: number
  /** By symbol. */
  readonly prices: Readonly<Record<string, number>>
}

/**
 * A simulated market. Prices are partly correlated random walks, and the market starts with as much history as candles are
 * kept. It has no clock of its own: the caller passes the time. The same seed and the same times produce the same market.
 */
export class Market {
  /** By symbol. */
  readonly listings: ReadonlyMap<string, Listing>
  readonly #random: SeededRandom
  #now: number

  /**
   * @param symbols number of instruments, up to `MAX_INSTRUMENTS`
   * @param now in milliseconds since 1970
   */
  constructor (symbols: number, seed: number, now: number) {
    const begin = now - now % CANDLE_LENGTH - (MAX_CANDLES - 1) * CANDLE_LENGTH
    this.#random = new SeededRandom(String(seed))
    this.#now = begin
    this.listings = new Map(makeInstruments(symbols, this.#random)
      .map(instrument => [instrument.symbol, new Listing(instrument, this.#random, begin)]))
    for (let time = begin + PAST_STEP; time <= now; time += PAST_STEP) this.advance(time)
  }

  /** The prices since the last call of `advance`. */
  get quotes (): Quotes {
    return { time: this.#now, prices: Object.fromEntries(Array.from(this.listings, ([symbol, { price }]) => [symbol, price])) }
  }

  /** Moves every price once. @param now in milliseconds since 1970; must not decrease */
  advance (now: number): void {
    const elapsed = Math.min(now - this.#now, MAX_STEP) / 1_000
    this.#now = now
    const market = normal(this.#random)
    const sectors = new Map(SECTORS.map(({ sector }) => [sector, normal(this.#random)]))
    for (const listing of this.listings.values()) {
      listing.trade(now, elapsed, { market, sector: sectors.get(listing.instrument.sector)! })
    }
  }
}
