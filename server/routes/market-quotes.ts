import type { FastifyPluginAsync } from 'fastify'
import type { Feed } from '../market/feed.ts'

const symbol = { type: 'string', pattern: '^[A-Z]{4}$' }
const querystring = { type: 'object', required: ['symbol'], properties: { symbol } }

export interface PollingOptions {
  readonly feed: Feed
  /** Milliseconds since 1970, by the clock of the market. */
  readonly now: () => number
}

/**
 * The newest of what a market's stream pushes, for who asks again and again: all prices, and the last candle of an
 * instrument. Done as well as polling can be: where nothing has changed since the last answer, a client that has kept its
 * ETag is sent no body. `x-time` is the server's clock, so that a client can tell how old prices are; it is no part of the
 * body, which stays the same as long as prices do.
 */
export const polling: FastifyPluginAsync<PollingOptions> = async (app, { feed, now }) => {
  app.get<{ Querystring: { symbol: string } }>('/market/quotes', { schema: { querystring } }, async ({ query, headers }, reply) => {
    const latest = feed.latest(query.symbol)
    const etag = `"${feed.id}-${latest.time}"`
    reply.headers({ 'cache-control': 'no-cache', etag, 'x-time': now() })
    // There may be a list of them, and what compresses on the way makes them weak.
    if (headers['if-none-match']?.includes(etag)) return await reply.code(304).send()
    return { market: feed.id, ...latest }
  })
}
