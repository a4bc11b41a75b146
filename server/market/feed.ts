import { randomBytes } from 'node:crypto'
import createError from '@fastify/error'
import type { SseChannel, SseHub, SsePublished, SsePublishFields } from 'fastify-sse-emitter'
import type { Candle } from './candles.ts'
import { DeliveryStatistics } from './delivery-statistics.ts'
import type { Market, Quotes } from './market.ts'

/** The candles of an instrument, and the id of the event that published the last one. */
export interface CandleHistory {
  /** Id of the market. */
  readonly market: string
  readonly candles: Candle[]
  readonly id: string
}

/** The current prices of all instruments, and the last candle of one. */
export interface LatestQuotes extends Quotes {
  readonly candle: Candle
}

interface CandleChannel {
  readonly channel: SseChannel
  /** The result of publishing the last event. */
  lastPublished: Promise<SsePublished>
}

const UNKNOWN_SYMBOL = createError<[string]>('UNKNOWN_SYMBOL', 'Unknown symbol %s; /market/symbols lists all symbols', 404)

/**
 * Publishes a market on three kinds of channels:
 *
 * - Candles, one channel per instrument: the last candle after every trade. The key of an event is the candle's time, so a
 *   slow client may skip intermediate states of a candle but always receives its final one.
 * - Quotes: the prices of all instruments in one event. One event per instrument would cost six times the bytes, and six
 *   times the script time in the page, at 200 instruments. Since each event is complete, a slow client needs only the latest.
 * - Statistics, once a second.
 *
 * Processes that share a broker have separate markets. Channel names contain the market's id to keep them apart.
 */
export class Feed {
  /** Id of the market, different in every process. */
  readonly id = randomBytes(6).toString('hex')
  readonly statistics = new DeliveryStatistics()
  readonly #market: Market
  readonly #hub: SseHub
  /** By symbol. */
  readonly #candleChannels: ReadonlyMap<string, CandleChannel>
  readonly #quotesChannel: SseChannel
  readonly #statisticsChannel: SseChannel

  /** @param replay events of each channel kept for clients that reconnect */
  constructor (market: Market, hub: SseHub, replay: number) {
    const channelOf = (name: string): SseChannel => hub.channel(`market:${this.id}:${name}`, { history: { count: replay } })
    this.#market = market
    this.#hub = hub
    this.#quotesChannel = channelOf('quotes')
    this.#statisticsChannel = channelOf('statistics')
    this.#candleChannels = new Map(Array.from(market.listings, ([symbol, { candles }]) => {
      const channel = channelOf(`candles:${symbol}`)
      return [symbol, { channel, lastPublished: this.#publishCandle(channel, candles.last) }]
    }))
  }

  /** Advances the market and publishes the result. @param now in milliseconds since 1970; must not decrease */
  tick (now: number): void {
    this.#market.advance(now)
    for (const [symbol, { candles }] of this.#market.listings) {
      const candleChannel = this.#candleChannels.get(symbol)!
      candleChannel.lastPublished = this.#publishCandle(candleChannel.channel, candles.last)
    }
    this.#publish(this.#quotesChannel, this.#market.quotes, { event: 'quotes' })
    const sample = this.statistics.sample(now, this.#hub.size)
    if (sample !== undefined) this.#publish(this.#statisticsChannel, sample, { event: 'statistics' })
  }

  /** The quotes published last, and the last candle of an instrument. @throws UNKNOWN_SYMBOL (404) */
  latest (symbol: string): LatestQuotes {
    this.#candleChannel(symbol)
    const { quotes, listings } = this.#market
    return { ...quotes, candle: listings.get(symbol)!.candles.last }
  }

  /** The channels to subscribe to for an instrument. @throws UNKNOWN_SYMBOL (404) */
  channels (symbol: string): SseChannel[] {
    return [this.#candleChannel(symbol).channel, this.#quotesChannel, this.#statisticsChannel]
  }

  /**
   * The candles so far. A subscription that starts from the returned id receives every later trade, and no trade that is
   * already included.
   *
   * @throws UNKNOWN_SYMBOL (404), or the error of a publish that failed
   */
  async history (symbol: string): Promise<CandleHistory> {
    const candleChannel = this.#candleChannel(symbol)
    // Taken before the first await: a tick in between would add a trade that is newer than the id.
    const candles = this.#market.listings.get(symbol)!.candles.list()
    const { id } = await candleChannel.lastPublished
    return { market: this.id, candles, id }
  }

  #candleChannel (symbol: string): CandleChannel {
    const candleChannel = this.#candleChannels.get(symbol)
    if (candleChannel === undefined) throw new UNKNOWN_SYMBOL(symbol)
    return candleChannel
  }

  #publishCandle (channel: SseChannel, candle: Candle): Promise<SsePublished> {
    return this.#publish(channel, candle, { event: 'candle', key: String(candle.time) })
  }

  #publish (channel: SseChannel, data: object, fields: SsePublishFields): Promise<SsePublished> {
    const text = JSON.stringify(data)
    this.statistics.count(channel.subscribers, Buffer.byteLength(text))
    const published = channel.publish(text, fields)
    // A failure is reported by history(), which awaits the id.
    published.catch(() => {})
    return published
  }
}
