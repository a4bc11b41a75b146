import { Random } from '../seeded-random.ts'
import { CANDLE, KEPT } from './candles.ts'
import { makeInstruments, SECTORS } from './instruments.ts'
import { Listing } from './listing.ts'
import { normal } from './distributions.ts'

/** Milliseconds between two moves of the past that is made up at the beginning. */
const PAST_STEP = 500
/** Milliseconds that prices move for at once, however long the process was stopped. */
const MAX_STEP = 10_000

/** All prices at one moment. */
export interface Quotes {
  /** In milliseconds since 1970. */
  readonly time: number
  /** By symbol. */
  readonly prices: Readonly<Record<string, number>>
}

/**
 * A market that is made up. Prices walk at random, partly together. It has a past, as long as candles are kept, and no
 * clock: it moves when it is told the time. The same seed and the same times make the same market.
 */
export class Market {
  /** By symbol. */
  readonly listings: ReadonlyMap<string, Listing>
  readonly #random: Random
  #now: number

  /**
   * @param symbols how many instruments, up to `MAX_INSTRUMENTS`
   * @param now in milliseconds since 1970
   */
  constructor (symbols: number, seed: number, now: number) {
    const begin = now - now % CANDLE - (KEPT - 1) * CANDLE
    this.#random = new Random(String(seed))
    this.#now = begin
    this.listings = new Map(makeInstruments(symbols, this.#random)
      .map(instrument => [instrument.symbol, new Listing(instrument, this.#random, begin)]))
    for (let time = begin + PAST_STEP; time <= now; time += PAST_STEP) this.advance(time)
  }

  /** What they are since they moved last. */
  get quotes (): Quotes {
    return { time: this.#now, prices: Object.fromEntries(Array.from(this.listings, ([symbol, { price }]) => [symbol, price])) }
  }

  /** Moves every price once. @param now in milliseconds since 1970; does not fall */
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
