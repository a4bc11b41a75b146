import { memoryBroker, type SseBroker } from 'fastify-sse-emitter'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { injectSse } from 'fastify-sse-emitter/testing'
import { Feed } from '../../../server/market/feed.ts'
import { Market } from '../../../server/market/market.ts'
import { build } from '../../fixtures/app.ts'

const NOW = 1_800_000_012_345
const REPLAY = 50

interface Setup { app: FastifyInstance, market: Market, feed: Feed, published: (channel: string) => Promise<PublishedEvent[]> }
interface PublishedEvent { id: string, event: string | undefined, key: string | undefined, data: unknown }

async function setup (t: Test, broker: SseBroker = memoryBroker()): Promise<Setup> {
  const { app } = await build(t, { broker })
  const market = new Market(3, 1, NOW)
  const feed = new Feed(market, app.sse, REPLAY)
  return {
    app,
    market,
    feed,
    published: async channel => {
      const { entries } = await broker.replay(`market:${feed.id}:${channel}`, undefined, 1_000)
      return entries.map(({ id, event, key, data }) => ({ id, event, key, data: JSON.parse(data!) }))
    }
  }
}

t.test('every tick publishes the last candle of each instrument, and all prices in one event', async t => {
  const { market, feed, published } = await setup(t)
  const expected = new Map(Array.from(market.listings, ([symbol, { candles }]) => [symbol, [candles.last]]))
  const quotes: unknown[] = []
  for (let time = NOW + 100; time < NOW + 4_000; time += 100) {
    feed.tick(time)
    quotes.push({ time, prices: Object.fromEntries(Array.from(market.listings, ([symbol, { price }]) => [symbol, price])) })
    for (const [symbol, { candles }] of market.listings) expected.get(symbol)!.push(candles.last)
  }
  const symbols = [...market.listings.keys()]
  t.equal(symbols.length, 3)
  for (const symbol of symbols) {
    const events = await published(`candles:${symbol}`)
    t.strictSame(events.map(({ data }) => data), expected.get(symbol))
    for (const { event, key, data } of events) t.strictSame([event, key], ['candle', String((data as { time: number }).time)])
    t.equal(new Set(events.map(({ key }) => key)).size, 2, 'a new candle starts meanwhile')
  }
  const events = await published('quotes')
  t.strictSame(events.map(({ data }) => data), quotes)
  t.ok(events.every(({ event }) => event === 'quotes'))
})

t.test('a history contains all candles and the id of the event that published the last one', async t => {
  const { market, feed, published } = await setup(t)
  for (let time = NOW; time < NOW + 3_000; time += 500) {
    const history = await feed.history('BRYZ')
    const last = (await published('candles:BRYZ')).at(-1)!
    t.equal(history.market, feed.id)
    t.equal(history.id, last.id)
    t.strictSame(history.candles.at(-1), last.data)
    t.equal(JSON.stringify(history.candles), JSON.stringify(market.listings.get('BRYZ')!.candles.list()))
    feed.tick(time)
  }
})

t.test('a tick while history() awaits the id is not included', async t => {
  const { feed, published } = await setup(t)
  const history = feed.history('ALVX')
  feed.tick(NOW + 100)
  const { candles, id } = await history
  const [first, second] = await published('candles:ALVX')
  t.equal(id, first!.id)
  t.strictSame(candles.at(-1), first!.data)
  t.notSame(first!.data, second!.data)
})

t.test('each channel keeps as many events as the replay option allows', async t => {
  const { feed, published } = await setup(t)
  for (let step = 1; step <= REPLAY + 20; step++) feed.tick(NOW + step * 1_000)
  for (const channel of ['candles:CALY', 'quotes', 'statistics']) t.equal((await published(channel)).length, REPLAY)
})

t.test('statistics are published every second and count deliveries', async t => {
  const { app, feed, published } = await setup(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(feed.channels('ALVX'))
    return emitter
  })
  feed.tick(NOW)
  const stream = await injectSse(app, { url: '/' })
  for (let time = NOW + 100; time <= NOW + 2_000; time += 100) feed.tick(time)
  await stream.leave()
  const samples = (await published('statistics')).map(({ data }) => data)
  const bytes = async (channel: string, from: number, count: number): Promise<number> => (await published(channel)).slice(from, from + count)
    .reduce((total, { data }) => total + Buffer.byteLength(JSON.stringify(data)), 0)
  // Before the client subscribed, two candle events and one quotes event had been published.
  const first = await bytes('candles:ALVX', 2, 10) + await bytes('quotes', 1, 10)
  const second = await bytes('candles:ALVX', 12, 10) + await bytes('quotes', 11, 10)
  const sampleBytes = Buffer.byteLength(JSON.stringify(samples[1]))
  t.strictSame(samples, [
    { time: NOW, clients: 0, delivered: 0, bytes: 0 },
    { time: NOW + 1_000, clients: 1, delivered: 20, bytes: first },
    { time: NOW + 2_000, clients: 1, delivered: 41, bytes: first + sampleBytes + second }
  ])
  t.strictSame(feed.statistics.list(), samples)
})

t.test('the channels of an instrument are its candles, the quotes and the statistics', async t => {
  const { feed } = await setup(t)
  t.strictSame(feed.channels('CALY').map(({ name }) => name), [`market:${feed.id}:candles:CALY`, `market:${feed.id}:quotes`, `market:${feed.id}:statistics`])
})

t.test('markets on one broker are independent', async t => {
  const broker = memoryBroker()
  const [one, other] = [await setup(t, broker), await setup(t, broker)]
  t.match(one.feed.id, /^[0-9a-f]{12}$/)
  t.not(one.feed.id, other.feed.id)
  other.feed.tick(NOW + 100)
  t.equal((await one.published('candles:ALVX')).length, 1)
  t.equal((await other.published('candles:ALVX')).length, 2)
})

t.test('an unknown symbol is rejected with 404', async t => {
  const { feed } = await setup(t)
  const refusal = { code: 'UNKNOWN_SYMBOL', statusCode: 404, message: 'Unknown symbol NOPE; /market/symbols lists all symbols' }
  t.throws(() => feed.channels('NOPE'), refusal)
  await t.rejects(feed.history('NOPE'), refusal)
})

t.test('a failed publish is reported by history() only', async t => {
  const broker = memoryBroker()
  const { feed } = await setup(t, broker)
  await broker.close()
  feed.tick(NOW + 100)
  await t.rejects(feed.history('ALVX'), { code: 'SSE_ERR_BROKER_CLOSED' })
})
