import type { FastifyPluginAsync } from 'fastify'
import type { Feed } from '../market/feed.ts'

const symbol = { type: 'string', pattern: '^[A-Z]{4}$' }
const querystring = { type: 'object', required: ['symbol'], properties: { symbol } }

export interface MarketQuotesOptions {
  readonly feed: Feed
  /** Milliseconds since 1970, by the market's clock. */
  readonly now: () => number
}

/**
 * The latest prices and the last candle of an instrument, for clients that poll instead of following the stream. It shows
 * polling at its best: a client that sends the ETag of its last response gets no body unless prices have changed. The
 * header `x-time` is the server's clock, from which a client can tell the age of the prices. It is not part of the body,
 * which must stay the same as long as prices do.
 */
export const marketQuotes: FastifyPluginAsync<MarketQuotesOptions> = async (app, { feed, now }) => {
  app.get<{ Querystring: { symbol: string } }>('/market/quotes', { schema: { querystring } }, async ({ query, headers }, reply) => {
    const latest = feed.latest(query.symbol)
    const etag = `"${feed.id}-${latest.time}"`
    reply.headers({ 'cache-control': 'no-cache', etag, 'x-time': now() })
    // The header may list several tags, and a proxy that compresses responses turns ours into a weak one.
    if (headers['if-none-match']?.includes(etag)) return await reply.code(304).send()
    return { market: feed.id, ...latest }
  })
}
