import { memoryBroker } from 'fastify-sse-emitter'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { market, type MarketOptions } from '../../../server/routes/market.ts'
import { build, sleep } from '../../fixtures/app.ts'

/** An interval so long that no tick happens during a test. */
const NEVER = 60_000

async function setup (t: Test, options: MarketOptions, broker = memoryBroker()): Promise<FastifyInstance> {
  const { app } = await build(t, { broker })
  app.register(market, options)
  await app.ready()
  return app
}

const getQuotes = async (app: FastifyInstance, headers: Record<string, string> = {}) => await app.inject({ url: '/market/quotes?symbol=ALVX', headers })

/** Polls until prices have changed. */
async function nextQuotes (app: FastifyInstance, etag: unknown): Promise<Awaited<ReturnType<typeof getQuotes>>> {
  for (;;) {
    const response = await getQuotes(app)
    if (response.headers.etag !== etag) return response
    // Injected requests alone never let a timer run.
    await sleep(1)
  }
}

t.test('quotes contain the prices and the candle that were pushed last', async t => {
  const broker = memoryBroker()
  const app = await setup(t, { symbols: 3, interval: 20 }, broker)
  const { headers: { etag } } = await getQuotes(app)
  const { market, candle, ...quotes } = (await nextQuotes(app, etag)).json()
  const publishedOn = async (channel: string): Promise<unknown[]> => {
    const { entries } = await broker.replay(`market:${market}:${channel}`, undefined, 1_000)
    return entries.map(({ data }) => JSON.parse(data!))
  }
  t.strictSame((await publishedOn('quotes')).find(({ time }: any) => time === quotes.time), quotes)
  t.ok((await publishedOn('candles:ALVX')).some(pushed => JSON.stringify(pushed) === JSON.stringify(candle)))
})

t.test('quotes are available before the first push', async t => {
  const app = await setup(t, { symbols: 3, interval: NEVER })
  const { statusCode, body, headers } = await getQuotes(app)
  const { symbols, market } = (await app.inject('/market/symbols')).json()
  const { candles } = (await app.inject('/market/candles/ALVX')).json()
  const { time, ...quotes } = JSON.parse(body)
  t.equal(statusCode, 200)
  t.strictSame(quotes, { market, prices: Object.fromEntries(symbols.map(({ symbol, price }: any) => [symbol, price])), candle: candles.at(-1) })
  t.ok(time > candles.at(-1).time - 1 && time <= Number(headers['x-time']))
  t.equal(headers['cache-control'], 'no-cache')
})

t.test('until prices change, a matching ETag is answered with 304 and the server time', async t => {
  const app = await setup(t, { symbols: 3, interval: NEVER })
  const first = await getQuotes(app)
  const etag = String(first.headers.etag)
  for (const tag of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const { statusCode, body, headers } = await getQuotes(app, { 'if-none-match': tag })
    t.strictSame([statusCode, body, headers.etag], [304, '', etag], tag)
    t.ok(Number(headers['x-time']) >= Number(first.headers['x-time']))
  }
  for (const tag of ['"other"', etag.slice(1, -1)]) t.equal((await getQuotes(app, { 'if-none-match': tag })).statusCode, 200, tag)
  const quick = await setup(t, { symbols: 3, interval: 20 })
  const { headers: { etag: old } } = await getQuotes(quick)
  await nextQuotes(quick, old)
  t.equal((await getQuotes(quick, { 'if-none-match': String(old) })).statusCode, 200)
})

t.test('an unknown symbol is answered with 404, an invalid one with 400', async t => {
  const app = await setup(t, { symbols: 3, interval: NEVER })
  const missing = await app.inject('/market/quotes?symbol=NOPE')
  t.equal(missing.statusCode, 404)
  t.match(missing.json(), { code: 'UNKNOWN_SYMBOL', message: 'Unknown symbol NOPE; /market/symbols lists all symbols' })
  for (const query of ['', '?symbol=', '?symbol=alvx', '?symbol=ALVX&symbol=CALY']) t.equal((await app.inject(`/market/quotes${query}`)).statusCode, 400, query)
})
