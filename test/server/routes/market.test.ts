import { once } from 'node:events'
import { memoryBroker, type SseBroker } from 'fastify-sse-emitter'
import type { EventSourceMessage } from 'eventsource-parser'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { Candle } from '../../../server/market/candles.ts'
import { market, type MarketOptions } from '../../../server/routes/market.ts'
import { build } from '../../fixtures/app.ts'
import { call, decode } from '../../fixtures/client.ts'

/** Milliseconds between two prices: short, to provoke race conditions. */
const QUICK = 5
/** An interval so long that no tick happens during a test. */
const NEVER = 60_000

async function setup (t: Test, options: MarketOptions, broker: SseBroker = memoryBroker()): Promise<{ app: FastifyInstance, url: URL }> {
  const { app } = await build(t, { broker })
  app.register(market, options)
  return { app, url: new URL(await app.listen({ port: 0, host: '127.0.0.1' })) }
}

interface History { market: string, candles: Candle[], id: string }

const getHistory = async (url: URL, symbol: string): Promise<History> => JSON.parse((await call(new URL(`/market/candles/${symbol}`, url)).readAll()).body)

/** Reads the stream over a real socket until `count` candles have arrived, then destroys the socket. */
async function follow (t: Test, url: URL, query: Record<string, string>, count: number, headers: Record<string, string> = {}): Promise<EventSourceMessage[]> {
  const { request, response } = call(new URL(`/market/stream?${new URLSearchParams(query)}`, url), { headers })
  t.teardown(() => request.destroy())
  const message = (await response).setEncoding('utf8').on('error', () => {})
  const chunks: string[] = []
  message.on('data', chunk => { chunks.push(chunk) })
  for (;;) {
    const { events } = decode(...chunks)
    if (candlesIn(events).length >= count) {
      request.destroy()
      return events
    }
    await once(message, 'data')
  }
}

const candlesIn = (events: EventSourceMessage[]): EventSourceMessage[] => events.filter(({ event }) => event === 'candle')

t.test('symbols are listed with their instruments and prices', async t => {
  const { app } = await setup(t, { interval: NEVER })
  const { market, interval, candle, kept, symbols } = (await app.inject('/market/symbols')).json()
  t.match(market, /^\w+$/)
  t.strictSame({ interval, candle, kept, count: symbols.length }, { interval: NEVER, candle: 5_000, kept: 240, count: 24 })
  for (const instrument of symbols) {
    t.strictSame(Object.keys(instrument), ['symbol', 'name', 'sector', 'size', 'open', 'price'])
    const { market: id, candles } = (await app.inject(`/market/candles/${instrument.symbol}`)).json() as History
    t.equal(id, market)
    t.equal(instrument.price, candles.at(-1)!.close)
    t.equal(candles.length, 240)
  }
})

t.test('statistics are the samples that were published', async t => {
  const broker = memoryBroker()
  const { url } = await setup(t, { interval: QUICK }, broker)
  let [market, samples]: [string, unknown[]] = ['', []]
  while (samples.length === 0) ({ market, samples } = JSON.parse((await call(new URL('/market/statistics', url)).readAll()).body))
  const { entries } = await broker.replay(`market:${market}:statistics`, undefined, samples.length)
  t.strictSame(samples, entries.map(({ data }) => JSON.parse(data!)))
})

t.test('a history and the stream after it have no gaps or duplicates, even when the connection is cut', async t => {
  const broker = memoryBroker()
  const { url } = await setup(t, { symbols: 3, interval: QUICK, replay: 100_000 }, broker)
  for (const symbol of ['ALVX', 'CALY']) {
    const { market, candles, id } = await getHistory(url, symbol)
    const events = await follow(t, url, { symbol, market, lastEventId: id }, 20)
    for (let cut = 0; cut < 3; cut++) {
      const last = events.at(-1)!.id!
      // The id in the URL is outdated by now, as it is when a browser reconnects.
      const more = await follow(t, url, { symbol, market, lastEventId: id }, 20, { 'last-event-id': last })
      t.equal(more[0]!.event, 'opened')
      t.match(more[1], { event: 'sse-ready', id: last })
      events.push(...more)
    }
    const received = candlesIn(events)
    const { entries } = await broker.replay(`market:${market}:candles:${symbol}`, id, received.length)
    t.strictSame(received.map(({ id, data }) => [id, data]), entries.map(({ id, data }) => [id, data]))
    t.ok(received.length >= 80)
    // As the page does: a candle replaces the one with the same time.
    const joined = new Map([...candles, ...received.map(({ data }): Candle => JSON.parse(data))].map(candle => [candle.time, candle]))
    const now = await getHistory(url, symbol)
    const isClosed = (candle: Candle): boolean => candle.time < JSON.parse(received.at(-1)!.data).time
    for (const candle of now.candles.filter(isClosed)) t.strictSame(joined.get(candle.time), candle)
  }
})

t.test('a client that followed another market is told so and receives nothing else', async t => {
  const broker = memoryBroker()
  const [one, other] = [await setup(t, { interval: QUICK }, broker), await setup(t, { symbols: 3, interval: QUICK }, broker)]
  const { market, id } = await getHistory(one.url, 'LUNV')
  const { market: found } = await getHistory(other.url, 'ALVX')
  // The other market does not have this instrument.
  const { status, body } = await call(new URL(`/market/stream?${new URLSearchParams({ symbol: 'LUNV', market, lastEventId: id })}`, other.url)).readAll()
  t.equal(status, 200)
  t.strictSame(decode(body).events, [{ id: undefined, event: 'another', data: JSON.stringify({ market: found }) }])
})

t.test('a client that names no market is told which one it follows', async t => {
  const broker = memoryBroker()
  const [one, other] = [await setup(t, { interval: QUICK }, broker), await setup(t, { interval: QUICK }, broker)]
  const { id } = await getHistory(one.url, 'ALVX')
  const { market } = await getHistory(other.url, 'ALVX')
  const [opened] = await follow(t, other.url, { symbol: 'ALVX' }, 1, { 'last-event-id': id })
  t.equal(JSON.parse(opened!.data).market, market)
})

t.test('a stream starts with the time, so that a client can recognize replayed events', async t => {
  const { app, url } = await setup(t, { interval: NEVER })
  const { market, id } = await getHistory(url, 'ALVX')
  const candles = app.sse.channel(`market:${market}:candles:ALVX`)
  await candles.publish({ time: 1 }, { event: 'candle' })
  // The clock has to advance, or both may have the same millisecond.
  const published = Date.now()
  while (Date.now() === published);
  const [opened, ready, missed] = await follow(t, url, { symbol: 'ALVX', lastEventId: id }, 1)
  t.equal(opened!.event, 'opened')
  t.equal(ready!.event, 'sse-ready')
  const { time } = JSON.parse(opened!.data)
  t.ok(Math.abs(time - Date.now()) < 60_000)
  t.ok(Number(/\.(\d+)-/.exec(missed!.id!)![1]) < time)
})

t.test('a stream contains the candles of its instrument, all quotes and statistics', async t => {
  const { url } = await setup(t, { symbols: 3, interval: QUICK })
  const events = await follow(t, url, { symbol: 'BRYZ' }, 300)
  t.strictSame([...new Set(events.map(({ event }) => event))].sort(), ['candle', 'opened', 'quotes', 'sse-ready', 'statistics'])
  const { candles } = await getHistory(url, 'BRYZ')
  for (const { data } of candlesIn(events).slice(0, -1)) {
    const { time, open } = JSON.parse(data) as Candle
    t.equal(open, candles.find(candle => candle.time === time)!.open)
  }
  for (const { data } of events.filter(({ event }) => event === 'quotes')) t.strictSame(Object.keys(JSON.parse(data).prices), ['ALVX', 'BRYZ', 'CALY'])
})

t.test('a quiet stream sends a visible heartbeat', async t => {
  const { url } = await setup(t, { interval: NEVER })
  const { request, response } = call(new URL('/market/stream?symbol=ALVX', url))
  t.teardown(() => request.destroy())
  const message = (await response).setEncoding('utf8').on('error', () => {})
  let text = ''
  for await (const chunk of message) {
    text += chunk
    if (decode(text).events.some(({ event }) => event === 'heartbeat')) break
  }
  t.strictSame(decode(text).retries, [1_000], 'the reconnection time is short')
})

t.test('an unknown symbol is answered with 404, an invalid request with 400', async t => {
  const { app } = await setup(t, { symbols: 3, interval: NEVER })
  for (const url of ['/market/candles/NOPE', '/market/stream?symbol=NOPE']) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 404, url)
    t.match(response.json(), { code: 'UNKNOWN_SYMBOL', message: 'Unknown symbol NOPE; /market/symbols lists all symbols' })
  }
  const long = 'x'.repeat(1_025)
  for (const url of ['/market/candles/alvx', '/market/candles/ALVXX', '/market/stream', '/market/stream?symbol=', '/market/stream?symbol=ALVX&symbol=BRYZ', `/market/stream?symbol=ALVX&lastEventId=${long}`]) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 400, url.slice(0, 40))
    t.match(response.json(), { code: 'FST_ERR_VALIDATION' })
  }
  t.equal((await app.inject({ url: '/market/stream?symbol=ALVX', headers: { 'last-event-id': long } })).statusCode, 400)
})

t.test('an invalid option is rejected with its limits', async t => {
  const rows: Array<[MarketOptions, string]> = [
    [{ symbols: 0 }, 'Option `symbols` of the market must be an integer from 1 to 200; received 0'],
    [{ symbols: 201 }, 'Option `symbols` of the market must be an integer from 1 to 200; received 201'],
    [{ symbols: 1.5 }, 'Option `symbols` of the market must be an integer from 1 to 200; received 1.5'],
    [{ interval: 0 }, 'Option `interval` of the market must be an integer from 1 to 60000; received 0'],
    [{ interval: 60_001 }, 'Option `interval` of the market must be an integer from 1 to 60000; received 60001'],
    [{ seed: -1 }, 'Option `seed` of the market must be an integer from 0 to 4294967295; received -1'],
    [{ seed: NaN }, 'Option `seed` of the market must be an integer from 0 to 4294967295; received NaN']
  ]
  for (const [options, message] of rows) {
    const { app } = await build(t)
    app.register(market, options)
    await t.rejects(async () => await app.ready(), { name: 'RangeError', message })
  }
  const { app } = await build(t)
  app.register(market, { replay: -1 })
  await t.rejects(async () => await app.ready(), { code: 'SSE_ERR_OPTION' })
})

t.test('the market has one timer from when the application is ready until it closes', async t => {
  const running = new Set<unknown>()
  const { setInterval, clearInterval } = globalThis
  t.intercept(globalThis, 'setInterval', {
    value: (callback: () => void, ms: number) => {
      const timer = setInterval(callback, ms)
      if (ms === 12_345) running.add(timer)
      return timer
    }
  })
  t.intercept(globalThis, 'clearInterval', {
    value: (timer: NodeJS.Timeout) => {
      running.delete(timer)
      clearInterval(timer)
    }
  })
  const { app } = await build(t)
  await app.register(market, { symbols: 200, interval: 12_345 })
  t.equal(running.size, 0)
  await app.ready()
  t.equal(running.size, 1)
  await app.close()
  t.equal(running.size, 0)
})
