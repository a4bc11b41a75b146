import { memoryBroker, type SseBroker } from 'fastify-sse-emitter'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { injectSse, type InjectedEvent } from 'fastify-sse-emitter/testing'
import type { Candle } from '../../../server/market/candles.ts'
import { market, type MarketOptions } from '../../../server/routes/market.ts'
import { build, sleep } from '../../fixtures/app.ts'
import { mockClock } from '../../fixtures/clock.ts'

/** Milliseconds between two prices: short, to provoke race conditions. */
const QUICK = 5
/** An interval so long that no tick happens during a test. */
const NEVER = 60_000

async function setup (t: Test, options: MarketOptions, broker: SseBroker = memoryBroker()): Promise<FastifyInstance> {
  const { app } = await build(t, { broker })
  await app.register(market, options)
  return app
}

interface History { market: string, candles: Candle[], id: string }

const getHistory = async (app: FastifyInstance, symbol: string): Promise<History> => (await app.inject(`/market/candles/${symbol}`)).json()

/** Reads the stream until `count` candles have been received, and disconnects. */
async function follow (app: FastifyInstance, query: Record<string, string>, count: number, lastEventId?: string): Promise<InjectedEvent[]> {
  const stream = await injectSse(app, { url: `/market/stream?${new URLSearchParams(query)}`, lastEventId })
  let candles = 0
  const events = await stream.until(({ event }) => event === 'candle' && ++candles === count)
  await stream.leave()
  return events
}

const candlesIn = (events: InjectedEvent[]): InjectedEvent[] => events.filter(({ event }) => event === 'candle')

t.test('symbols are listed with their instruments and prices', async t => {
  const app = await setup(t, { interval: NEVER })
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
  const app = await setup(t, { interval: QUICK }, broker)
  let [market, samples]: [string, unknown[]] = ['', []]
  while (samples.length === 0) {
    // Injected requests alone never let a timer run.
    await sleep(1)
    ;({ market, samples } = (await app.inject('/market/statistics')).json())
  }
  const { entries } = await broker.replay(`market:${market}:statistics`, undefined, samples.length)
  t.strictSame(samples, entries.map(({ data }) => JSON.parse(data!)))
})

t.test('a history and the stream after it have no gaps or duplicates, even when the connection is cut', async t => {
  const broker = memoryBroker()
  const app = await setup(t, { symbols: 3, interval: QUICK, replay: 100_000 }, broker)
  for (const symbol of ['ALVX', 'CALY']) {
    const { market, candles, id } = await getHistory(app, symbol)
    const events = await follow(app, { symbol, market, lastEventId: id }, 20)
    for (let cut = 0; cut < 3; cut++) {
      const last = events.at(-1)!.id
      // The id in the URL is outdated by now, as it is when a browser reconnects.
      const more = await follow(app, { symbol, market, lastEventId: id }, 20, last)
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
    const now = await getHistory(app, symbol)
    const isClosed = (candle: Candle): boolean => candle.time < JSON.parse(received.at(-1)!.data).time
    for (const candle of now.candles.filter(isClosed)) t.strictSame(joined.get(candle.time), candle)
  }
})

t.test('a client that followed another market is told so and receives nothing else', async t => {
  const broker = memoryBroker()
  const [one, other] = [await setup(t, { interval: QUICK }, broker), await setup(t, { symbols: 3, interval: QUICK }, broker)]
  const { market, id } = await getHistory(one, 'LUNV')
  const { market: found } = await getHistory(other, 'ALVX')
  // The other market does not have this instrument.
  const stream = await injectSse(other, { url: `/market/stream?${new URLSearchParams({ symbol: 'LUNV', market, lastEventId: id })}` })
  t.strictSame(await stream.next(), { id: '', event: 'another', data: JSON.stringify({ market: found }) })
  t.equal(await stream.next(), undefined)
})

t.test('a client that names no market is told which one it follows', async t => {
  const broker = memoryBroker()
  const [one, other] = [await setup(t, { interval: QUICK }, broker), await setup(t, { interval: QUICK }, broker)]
  const { id } = await getHistory(one, 'ALVX')
  const { market } = await getHistory(other, 'ALVX')
  const [opened] = await follow(other, { symbol: 'ALVX' }, 1, id)
  t.equal(JSON.parse(opened!.data).market, market)
})

t.test('a stream starts with the time, so that a client can recognize replayed events', async t => {
  const app = await setup(t, { interval: NEVER })
  const { market, id } = await getHistory(app, 'ALVX')
  const candles = app.sse.channel(`market:${market}:candles:ALVX`)
  await candles.publish({ time: 1 }, { event: 'candle' })
  // The clock has to advance, or both may have the same millisecond.
  const published = Date.now()
  while (Date.now() === published);
  const [opened, ready, missed] = await follow(app, { symbol: 'ALVX', lastEventId: id }, 1)
  t.equal(opened!.event, 'opened')
  t.equal(ready!.event, 'sse-ready')
  const { time } = JSON.parse(opened!.data)
  t.ok(Math.abs(time - Date.now()) < 60_000)
  t.ok(Number(/\.(\d+)-/.exec(missed!.id!)![1]) < time)
})

t.test('a stream contains the candles of its instrument, all quotes and statistics', async t => {
  const app = await setup(t, { symbols: 3, interval: QUICK })
  const events = await follow(app, { symbol: 'BRYZ' }, 300)
  t.strictSame([...new Set(events.map(({ event }) => event))].sort(), ['candle', 'opened', 'quotes', 'sse-ready', 'statistics'])
  const { candles } = await getHistory(app, 'BRYZ')
  for (const { data } of candlesIn(events).slice(0, -1)) {
    const { time, open } = JSON.parse(data) as Candle
    t.equal(open, candles.find(candle => candle.time === time)!.open)
  }
  for (const { data } of events.filter(({ event }) => event === 'quotes')) t.strictSame(Object.keys(JSON.parse(data).prices), ['ALVX', 'BRYZ', 'CALY'])
})

t.test('a quiet stream sends a visible heartbeat', async t => {
  const { advance } = mockClock(t)
  const app = await setup(t, { interval: NEVER })
  const stream = await injectSse(app, { url: '/market/stream?symbol=ALVX' })
  advance(5_000)
  await stream.until(({ event }) => event === 'heartbeat')
  t.equal(stream.retry, 1_000, 'the reconnection time is short')
})

t.test('an unknown symbol is answered with 404, an invalid request with 400', async t => {
  const app = await setup(t, { symbols: 3, interval: NEVER })
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
