import { memoryBroker, type SseBroker } from 'fastify-sse-emitter'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { Feed } from '../../../server/market/feed.ts'
import { Market } from '../../../server/market/market.ts'
import { build } from '../../fixtures/app.ts'

const NOW = 1_800_000_012_345
const REPLAY = 50

interface Scene { app: FastifyInstance, market: Market, feed: Feed, published: (channel: string) => Promise<Event[]> }
interface Event { id: string, event: string | undefined, key: string | undefined, data: unknown }

async function open (t: Test, broker: SseBroker = memoryBroker()): Promise<Scene> {
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

t.test('every tick publishes each last candle, and all prices as one event', async t => {
  const { market, feed, published } = await open(t)
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
    t.equal(new Set(events.map(({ key }) => key)).size, 2, 'a candle has ended meanwhile')
  }
  const events = await published('quotes')
  t.strictSame(events.map(({ data }) => data), quotes)
  t.ok(events.every(({ event }) => event === 'quotes'))
})

t.test('a history is all candles, and the id of the event that told the last of them', async t => {
  const { market, feed, published } = await open(t)
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

t.test('a tick while the id is waited for does not get into a history', async t => {
  const { feed, published } = await open(t)
  const asked = feed.history('ALVX')
  feed.tick(NOW + 100)
  const { candles, id } = await asked
  const [first, second] = await published('candles:ALVX')
  t.equal(id, first!.id)
  t.strictSame(candles.at(-1), first!.data)
  t.notSame(first!.data, second!.data)
})

t.test('no more is kept for who comes back than is said', async t => {
  const { feed, published } = await open(t)
  for (let step = 1; step <= REPLAY + 20; step++) feed.tick(NOW + step * 1_000)
  for (const channel of ['candles:CALY', 'quotes', 'statistics']) t.equal((await published(channel)).length, REPLAY)
})

t.test('statistics come every second, and count what is delivered', async t => {
  const { app, feed, published } = await open(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(feed.channels('ALVX'))
    return emitter
  })
  feed.tick(NOW)
  const leave = new AbortController()
  const response = await app.inject({ url: '/', payloadAsStream: true, signal: leave.signal })
  response.stream().on('error', () => {})
  for (let time = NOW + 100; time <= NOW + 2_000; time += 100) feed.tick(time)
  leave.abort()
  const samples = (await published('statistics')).map(({ data }) => data)
  const bytes = async (channel: string, from: number, count: number): Promise<number> => (await published(channel)).slice(from, from + count)
    .reduce((total, { data }) => total + Buffer.byteLength(JSON.stringify(data)), 0)
  // Before the follower came, a channel of candles had two events and that of prices one.
  const first = await bytes('candles:ALVX', 2, 10) + await bytes('quotes', 1, 10)
  const second = await bytes('candles:ALVX', 12, 10) + await bytes('quotes', 11, 10)
  const told = Buffer.byteLength(JSON.stringify(samples[1]))
  t.strictSame(samples, [
    { time: NOW, clients: 0, delivered: 0, bytes: 0 },
    { time: NOW + 1_000, clients: 1, delivered: 20, bytes: first },
    { time: NOW + 2_000, clients: 1, delivered: 41, bytes: first + told + second }
  ])
  t.strictSame(feed.statistics.list(), samples)
})

t.test('who follows an instrument follows its candles, all prices and statistics', async t => {
  const { feed } = await open(t)
  t.strictSame(feed.channels('CALY').map(({ name }) => name), [`market:${feed.id}:candles:CALY`, `market:${feed.id}:quotes`, `market:${feed.id}:statistics`])
})

t.test('markets on one broker have nothing to do with each other', async t => {
  const broker = memoryBroker()
  const [one, other] = [await open(t, broker), await open(t, broker)]
  t.match(one.feed.id, /^[0-9a-f]{12}$/)
  t.not(one.feed.id, other.feed.id)
  other.feed.tick(NOW + 100)
  t.equal((await one.published('candles:ALVX')).length, 1)
  t.equal((await other.published('candles:ALVX')).length, 2)
})

t.test('an instrument that there is not is refused with 404', async t => {
  const { feed } = await open(t)
  const refusal = { code: 'UNKNOWN_SYMBOL', statusCode: 404, message: 'There is no NOPE on this market' }
  t.throws(() => feed.channels('NOPE'), refusal)
  await t.rejects(feed.history('NOPE'), refusal)
})

t.test('who asks for a history hears what publishing was refused with, and nobody else does', async t => {
  const broker = memoryBroker()
  const { feed } = await open(t, broker)
  await broker.close()
  feed.tick(NOW + 100)
  await t.rejects(feed.history('ALVX'), { code: 'SSE_ERR_BROKER_CLOSED' })
})
