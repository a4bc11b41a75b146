/** The prices and the volume of one interval. */
export interface Candle {
  /** Start of the interval, in milliseconds since 1970. */
  readonly time: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  /** Shares traded. */
  readonly volume: number
}

/** Milliseconds covered by a candle: short enough to watch it grow. */
export const CANDLE_LENGTH = 5_000
/** Candles kept for each instrument: twenty minutes. */
export const MAX_CANDLES = 240

/** The candles of one instrument. The last one is still growing, and there is always at least one. */
export class Candles {
  readonly #candles: Candle[]

  /** @param time milliseconds since 1970 */
  constructor (time: number, price: number) {
    this.#candles = [firstTrade(time, price, 0)]
  }

  /** The candle that is still growing. A trade replaces it and never modifies it. */
  get last (): Candle {
    return this.#candles.at(-1)!
  }

  /** Adds a trade. @param time must not decrease */
  add (time: number, price: number, volume: number): void {
    const { last } = this
    if (time < last.time + CANDLE_LENGTH) {
      this.#candles[this.#candles.length - 1] = {
        time: last.time,
        open: last.open,
        high: Math.max(last.high, price),
        low: Math.min(last.low, price),
        close: price,
        volume: last.volume + volume
      }
    } else {
      this.#candles.push(firstTrade(time, price, volume))
      if (this.#candles.length > MAX_CANDLES) this.#candles.shift()
    }
  }

  /** A snapshot of all candles, oldest first. */
  list (): Candle[] {
    return [...this.#candles]
  }
}

/** A candle that contains a single trade. */
function firstTrade (time: number, price: number, volume: number): Candle {
  return { time: time - time % CANDLE_LENGTH, open: price, high: price, low: price, close: price, volume }
}
