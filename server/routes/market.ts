import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import type { SseEmitter } from 'fastify-sse-emitter'
import { CANDLE, KEPT } from '../market/candles.ts'
import { Feed } from '../market/feed.ts'
import { MAX_INSTRUMENTS } from '../market/instruments.ts'
import { Market } from '../market/market.ts'
import { polling } from './market-quotes.ts'

/** Milliseconds of silence after which a page is told that the server is still there. */
const HEARTBEAT = 5_000
/** The pause before a client comes back: what it has missed is kept for a minute. */
const RETRY = 1_000
/** What the plugin takes for an id, and no more. */
const MAX_ID = 1_024

const symbol = { type: 'string', pattern: '^[A-Z]{4}$' }
const id = { type: 'string', maxLength: MAX_ID }
const params = { type: 'object', properties: { symbol } }
const querystring = { type: 'object', required: ['symbol'], properties: { symbol, market: id, lastEventId: id } }
const headers = { type: 'object', properties: { 'last-event-id': id } }

export interface MarketOptions {
  /** How many instruments, 1 to 200. @default 24 */
  readonly symbols?: number | undefined
  /** Milliseconds between two prices of an instrument, at least 1. @default 100 */
  readonly interval?: number | undefined
  /** A whole number: the same seed makes the same market. @default 6, whose past has as many rise as fall */
  readonly seed?: number | undefined
  /** Events of each channel that are kept for who comes back. @default 600, a minute of the default interval */
  readonly replay?: number | undefined
}

/**
 * A market that is made up, pushed to who follows it: prices of all instruments, candles of one, and what the server has
 * to do for that. It trades from when the application is ready until it closes.
 *
 * @throws RangeError for an option that is not a whole number in its limits
 */
export const market: FastifyPluginAsync<MarketOptions> = async (app, options) => {
  const symbols = whole('symbols', options.symbols ?? 24, 1, MAX_INSTRUMENTS)
  const interval = whole('interval', options.interval ?? 100, 1, 60_000)
  const seed = whole('seed', options.seed ?? 6, 0, 2 ** 32 - 1)
  const exchange = new Market(symbols, seed, now())
  const feed = new Feed(exchange, app.sse, options.replay ?? 600)

  /** Tells that there is nothing here to go on with. A status would have a browser ask no more, and not tell the page. */
  const another = (reply: FastifyReply): SseEmitter => {
    const emitter = reply.sse({ retry: RETRY })
    emitter.send({ market: feed.id }, { event: 'another' })
    emitter.complete()
    return emitter
  }

  let timer: NodeJS.Timeout
  app.addHook('onReady', async () => { timer = setInterval(() => feed.tick(now()), interval) })
  app.addHook('onClose', async () => clearInterval(timer))

  app.get('/market/symbols', async () => ({
    market: feed.id,
    interval,
    candle: CANDLE,
    kept: KEPT,
    symbols: Array.from(exchange.listings.values(), ({ instrument, price }) => ({ ...instrument, price }))
  }))

  app.get('/market/statistics', async () => ({ market: feed.id, samples: feed.statistics.list() }))

  app.get<{ Params: { symbol: string } }>('/market/candles/:symbol', { schema: { params } }, async ({ params: { symbol } }) => await feed.history(symbol))

  app.register(polling, { feed, now })

  // Who comes back may find another process, with another market.
  app.get<{ Querystring: { symbol: string, market?: string } }>('/market/stream', { schema: { querystring, headers } }, async ({ query: { symbol, market = feed.id } }, reply) => {
    if (market !== feed.id) return another(reply)
    const channels = feed.channels(symbol)
    const emitter = reply.sse({ overflow: 'latest', heartbeat: HEARTBEAT, heartbeatEvent: 'heartbeat', retry: RETRY })
    const following = emitter.subscribe(channels)
    // By the clock that ids are made by: what is older was missed and is sent again.
    emitter.send({ time: Date.now(), market }, { event: 'opened' })
    await following
    return emitter
  })
}

/** Milliseconds since 1970, by a clock that does not fall. */
function now (): number {
  return Math.floor(performance.timeOrigin + performance.now())
}

function whole (name: string, value: number, from: number, to: number): number {
  if (Number.isInteger(value) && value >= from && value <= to) return value
  throw new RangeError(`The market's option ${name} has to be a whole number from ${from} to ${to}, and it is ${value}`)
}
