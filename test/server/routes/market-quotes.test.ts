import { memoryBroker } from 'fastify-sse-emitter'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { market, type MarketOptions } from '../../../server/routes/market.ts'
import { build, sleep } from '../../fixtures/app.ts'

/** So that nothing happens by itself. */
const NEVER = 60_000

async function open (t: Test, options: MarketOptions, broker = memoryBroker()): Promise<FastifyInstance> {
  const { app } = await build(t, { broker })
  app.register(market, options)
  await app.ready()
  return app
}

const ask = async (app: FastifyInstance, headers: Record<string, string> = {}) => await app.inject({ url: '/market/quotes?symbol=ALVX', headers })

/** Asks until there are other prices than those. */
async function next (app: FastifyInstance, etag: unknown): Promise<Awaited<ReturnType<typeof ask>>> {
  for (;;) {
    const response = await ask(app)
    if (response.headers.etag !== etag) return response
    // Injected requests alone never let a timer have its turn.
    await sleep(1)
  }
}

t.test('what is asked for is what was pushed last: all prices, and the last candle', async t => {
  const broker = memoryBroker()
  const app = await open(t, { symbols: 3, interval: 20 }, broker)
  const { headers: { etag } } = await ask(app)
  const { market, candle, ...quotes } = (await next(app, etag)).json()
  const lastOf = async (channel: string): Promise<unknown[]> => {
    const { entries } = await broker.replay(`market:${market}:${channel}`, undefined, 1_000)
    return entries.map(({ data }) => JSON.parse(data!))
  }
  t.strictSame((await lastOf('quotes')).find(({ time }: any) => time === quotes.time), quotes)
  t.ok((await lastOf('candles:ALVX')).some(pushed => JSON.stringify(pushed) === JSON.stringify(candle)))
})

t.test('there is an answer before anything was pushed', async t => {
  const app = await open(t, { symbols: 3, interval: NEVER })
  const { statusCode, body, headers } = await ask(app)
  const { symbols, market } = (await app.inject('/market/symbols')).json()
  const { candles } = (await app.inject('/market/candles/ALVX')).json()
  const { time, ...told } = JSON.parse(body)
  t.equal(statusCode, 200)
  t.strictSame(told, { market, prices: Object.fromEntries(symbols.map(({ symbol, price }: any) => [symbol, price])), candle: candles.at(-1) })
  t.ok(time > candles.at(-1).time - 1 && time <= Number(headers['x-time']))
  t.equal(headers['cache-control'], 'no-cache')
})

t.test('who has the newest is sent no body, and what time it is, until prices change', async t => {
  const app = await open(t, { symbols: 3, interval: NEVER })
  const first = await ask(app)
  const etag = String(first.headers.etag)
  for (const tag of [etag, `W/${etag}`, `"other", ${etag}`]) {
    const { statusCode, body, headers } = await ask(app, { 'if-none-match': tag })
    t.strictSame([statusCode, body, headers.etag], [304, '', etag], tag)
    t.ok(Number(headers['x-time']) >= Number(first.headers['x-time']))
  }
  for (const tag of ['"other"', etag.slice(1, -1)]) t.equal((await ask(app, { 'if-none-match': tag })).statusCode, 200, tag)
  const quick = await open(t, { symbols: 3, interval: 20 })
  const { headers: { etag: old } } = await ask(quick)
  await next(quick, old)
  t.equal((await ask(quick, { 'if-none-match': String(old) })).statusCode, 200)
})

t.test('an instrument that there is not is 404, what cannot be one is 400', async t => {
  const app = await open(t, { symbols: 3, interval: NEVER })
  const missing = await app.inject('/market/quotes?symbol=NOPE')
  t.equal(missing.statusCode, 404)
  t.match(missing.json(), { code: 'UNKNOWN_SYMBOL', message: 'There is no NOPE on this market' })
  for (const query of ['', '?symbol=', '?symbol=alvx', '?symbol=ALVX&symbol=CALY']) t.equal((await app.inject(`/market/quotes${query}`)).statusCode, 400, query)
})
