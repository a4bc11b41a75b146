import type { FastifyInstance, FastifyPluginAsync, FastifyReply } from 'fastify'
import type { SseEmitter } from 'fastify-sse-emitter'
import { CANDLE_LENGTH, MAX_CANDLES } from '../market/candles.ts'
import { Feed } from '../market/feed.ts'
import { MAX_INSTRUMENTS } from '../market/instruments.ts'
import { Market } from '../market/market.ts'
import { marketQuotes } from './market-quotes.ts'

/** Milliseconds of silence before a heartbeat is sent. */
const HEARTBEAT = 5_000
/** Milliseconds before a client reconnects. Missed events are kept for a minute. */
const RETRY = 1_000
/** Longest event id that the plugin accepts. */
const MAX_ID = 1_024

const symbol = { type: 'string', pattern: '^[A-Z]{4}$' }
const id = { type: 'string', maxLength: MAX_ID }
const params = { type: 'object', properties: { symbol } }
const querystring = { type: 'object', required: ['symbol'], properties: { symbol, market: id, lastEventId: id } }
const headers = { type: 'object', properties: { 'last-event-id': id } }

export interface MarketOptions {
  /** Number of instruments, 1 to 200. @default 24 */
  readonly symbols?: number | undefined
  /** Milliseconds between two prices of an instrument, at least 1. @default 100 */
  readonly interval?: number | undefined
  /** Non-negative integer; the same seed produces the same market. @default 6, a market where about as many prices rise as fall */
  readonly seed?: number | undefined
  /** Events of each channel kept for clients that reconnect. @default 600, one minute at the default interval */
  readonly replay?: number | undefined
}

/**
 * A simulated market: its instruments, candles, quotes and statistics as JSON, and a stream that pushes them. Trading starts
 * when the application is ready and stops when it closes.
 *
 * @throws RangeError for an option that is not an integer within its limits
 */
export const market: FastifyPluginAsync<MarketOptions> = async (app, options) => {
  const symbols = integer('symbols', options.symbols ?? 24, 1, MAX_INSTRUMENTS)
  const interval = integer('interval', options.interval ?? 100, 1, 60_000)
  const seed = integer('seed', options.seed ?? 6, 0, 2 ** 32 - 1)
  const exchange = new Market(symbols, seed, now())
  const feed = new Feed(exchange, app.sse, options.replay ?? 600)
  tickWhileOpen(app, feed, interval)

  app.get('/market/symbols', async () => ({
    market: feed.id,
    interval,
    candle: CANDLE_LENGTH,
    kept: MAX_CANDLES,
    symbols: Array.from(exchange.listings.values(), ({ instrument, price }) => ({ ...instrument, price }))
  }))

  app.get('/market/statistics', async () => ({ market: feed.id, samples: feed.statistics.list() }))

  app.get<{ Params: { symbol: string } }>('/market/candles/:symbol', { schema: { params } }, async ({ params: { symbol } }) => await feed.history(symbol))

  app.register(marketQuotes, { feed, now })

  app.get<{ Querystring: { symbol: string, market?: string } }>('/market/stream', { schema: { querystring, headers } }, async ({ query: { symbol, market = feed.id } }, reply) => {
    // A client that reconnects may reach another process, which has another market.
    if (market !== feed.id) return sendOtherMarket(reply, feed.id)
    const channels = feed.channels(symbol)
    const emitter = reply.sse({ overflow: 'latest', heartbeat: HEARTBEAT, heartbeatEvent: 'heartbeat', retry: RETRY })
    const subscribed = emitter.subscribe(channels)
    // Ids contain the time of this clock, so the client can tell replayed events from new ones.
    emitter.send({ time: Date.now(), market }, { event: 'opened' })
    await subscribed
    return emitter
  })
}

function tickWhileOpen (app: FastifyInstance, feed: Feed, interval: number): void {
  let timer: NodeJS.Timeout
  app.addHook('onReady', async () => { timer = setInterval(() => feed.tick(now()), interval) })
  app.addHook('onClose', async () => clearInterval(timer))
}

/**
 * Tells the client that this is not the market it followed. An error status would make the browser stop reconnecting
 * without telling the page why.
 */
function sendOtherMarket (reply: FastifyReply, id: string): SseEmitter {
  const emitter = reply.sse({ retry: RETRY })
  emitter.send({ market: id }, { event: 'another' })
  emitter.complete()
  return emitter
}

/** Milliseconds since 1970, by a clock that never goes backwards. */
function now (): number {
  return Math.floor(performance.timeOrigin + performance.now())
}

function integer (name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new RangeError(`Option \`${name}\` of the market must be an integer from ${min} to ${max}; received ${value}`)
}
