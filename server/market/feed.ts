import { randomBytes } from 'node:crypto'
import createError from '@fastify/error'
import type { SseChannel, SseHub, SsePublishFields } from 'fastify-sse-emitter'
import type { Candle } from './candles.ts'
import type { Market, Quotes } from './market.ts'
import { Statistics } from './delivery-statistics.ts'

/** The candles of an instrument, and the id of the event that told the last of them. */
export interface History {
  /** Which market it is. */
  readonly market: string
  readonly candles: Candle[]
  readonly id: string
}

/** All prices, and the last candle of one instrument. */
export interface Latest extends Quotes {
  readonly candle: Candle
}

/** A channel of candles. */
interface Tape {
  readonly channel: SseChannel
  /** Of what was published last. */
  id: Promise<string>
}

const UNKNOWN_SYMBOL = createError<[string]>('UNKNOWN_SYMBOL', 'There is no %s on this market', 404)

/**
 * Publishes what happens on a market, on channels of three kinds:
 *
 * - for each instrument, its last candle at every trade. Its key is its time: a slow client may skip how a candle grew,
 *   but none of what it has become.
 * - all prices of one moment, as one event. With an event for each of 200 prices, the same news is six times the bytes
 *   and six times the work for a page's script. And as every event says it all, a slow client needs but the last.
 * - statistics, every second.
 *
 * Where processes share their channels, each has a market of its own, and channels that carry its name.
 */
export class Feed {
  /** Which market it is: another with every process. */
  readonly id = randomBytes(6).toString('hex')
  readonly statistics = new Statistics()
  readonly #market: Market
  readonly #hub: SseHub
  /** By symbol. */
  readonly #tapes: ReadonlyMap<string, Tape>
  readonly #quotes: SseChannel
  readonly #figures: SseChannel

  /** @param replay events of each channel that are kept for who comes back */
  constructor (market: Market, hub: SseHub, replay: number) {
    const channelOf = (name: string): SseChannel => hub.channel(`market:${this.id}:${name}`, { history: { count: replay } })
    this.#market = market
    this.#hub = hub
    this.#quotes = channelOf('quotes')
    this.#figures = channelOf('statistics')
    this.#tapes = new Map(Array.from(market.listings, ([symbol, { candles }]) => {
      const channel = channelOf(`candles:${symbol}`)
      return [symbol, { channel, id: this.#publishCandle(channel, candles.last) }]
    }))
  }

  /** Moves the market, and tells. @param now in milliseconds since 1970; does not fall */
  tick (now: number): void {
    this.#market.advance(now)
    for (const [symbol, { candles }] of this.#market.listings) {
      const tape = this.#tapes.get(symbol)!
      tape.id = this.#publishCandle(tape.channel, candles.last)
    }
    this.#publish(this.#quotes, this.#market.quotes, { event: 'quotes' })
    const sample = this.statistics.sample(now, this.#hub.size)
    if (sample !== undefined) this.#publish(this.#figures, sample, { event: 'statistics' })
  }

  /** What was told last of all prices, and of an instrument. @throws UNKNOWN_SYMBOL (404) */
  latest (symbol: string): Latest {
    this.#tape(symbol)
    const { quotes, listings } = this.#market
    return { ...quotes, candle: listings.get(symbol)!.candles.last }
  }

  /** What to follow for an instrument. @throws UNKNOWN_SYMBOL (404) */
  channels (symbol: string): SseChannel[] {
    return [this.#tape(symbol).channel, this.#quotes, this.#figures]
  }

  /**
   * The candles so far. Who follows from the id on gets every later trade, and none of those that are in here.
   *
   * @throws UNKNOWN_SYMBOL (404), and what publishing was refused with
   */
  async history (symbol: string): Promise<History> {
    const tape = this.#tape(symbol)
    // Before anything is waited for: a tick may come meanwhile.
    const candles = this.#market.listings.get(symbol)!.candles.list()
    return { market: this.id, candles, id: await tape.id }
  }

  #tape (symbol: string): Tape {
    const tape = this.#tapes.get(symbol)
    if (tape === undefined) throw new UNKNOWN_SYMBOL(symbol)
    return tape
  }

  #publishCandle (channel: SseChannel, candle: Candle): Promise<string> {
    return this.#publish(channel, candle, { event: 'candle', key: String(candle.time) })
  }

  #publish (channel: SseChannel, data: object, fields: SsePublishFields): Promise<string> {
    const text = JSON.stringify(data)
    this.statistics.count(channel.subscribers, Buffer.byteLength(text))
    const id = channel.publish(text, fields)
    // Who asks for the id hears of it.
    id.catch(() => {})
    return id
  }
}
