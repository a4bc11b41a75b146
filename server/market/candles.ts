/** What a price did for a while. */
export interface Candle {
  /** When it began, in milliseconds since 1970. */
  readonly time: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  /** How much was traded, in shares. */
  readonly volume: number
}

/** Milliseconds that a candle takes: short enough to be watched while it grows. */
export const CANDLE = 5_000
/** Candles that are kept, of each instrument: twenty minutes. */
export const KEPT = 240

/** The candles of one instrument, of which the last is still growing. There is always one. */
export class Candles {
  readonly #kept: Candle[]

  /** @param time milliseconds since 1970 */
  constructor (time: number, price: number) {
    this.#kept = [begun(time, price, 0)]
  }

  /** The one that grows. It does not change itself: a trade puts another one in its place. */
  get last (): Candle {
    return this.#kept.at(-1)!
  }

  /** Adds a trade. @param time does not fall */
  add (time: number, price: number, volume: number): void {
    const { last } = this
    if (time < last.time + CANDLE) {
      this.#kept[this.#kept.length - 1] = {
        time: last.time,
        open: last.open,
        high: Math.max(last.high, price),
        low: Math.min(last.low, price),
        close: price,
        volume: last.volume + volume
      }
    } else {
      this.#kept.push(begun(time, price, volume))
      if (this.#kept.length > KEPT) this.#kept.shift()
    }
  }

  /** A snapshot of all, the oldest first. */
  list (): Candle[] {
    return [...this.#kept]
  }
}

function begun (time: number, price: number, volume: number): Candle {
  return { time: time - time % CANDLE, open: price, high: price, low: price, close: price, volume }
}
