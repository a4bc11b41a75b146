import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { compareIds, idBeforeAll, epochOf } from '../../plugin/wire/event-id.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, eventually, publish, RedisServer } from '../fixtures/redis.ts'

const LOG = 'sse:{0}:log'
const MINUTE = 60_000

suiteWith(t, 'redis-server', 'what Redis does for a broker', async (t, program) => {
  const server = await RedisServer.start(t, program)

  /** A broker on a Redis that is empty. */
  async function open (t: Test) {
    await server.command('FLUSHALL')
    const broker = brokerOn(t, server, { probe: 60_000 })
    return {
      broker,
      publish: async (channel: string, data = 'x', how: Parameters<typeof publish>[3] = {}) => (await publish(broker, channel, data, how)).id,
      lost: async (channel: string, after: string) => (await broker.replay(channel, after, 1)).lost,
      texts: async (channel: string) => (await broker.replay(channel, undefined, 1_000)).entries.map(({ data }) => data)
    }
  }

  /** What the log holds of a channel: it was published this many milliseconds ago. */
  async function age (channel: string, ms: number): Promise<void> {
    const [, ...rest] = `${await server.command('HGET', LOG, `:${channel}`)}`.split(' ')
    await server.command('HSET', LOG, `:${channel}`, [`${Date.now() - ms}-0`, ...rest].join(' '))
  }

  t.test('a history goes from Redis when its newest entry is too old', async t => {
    const { publish } = await open(t)
    await publish('a', 'x', { age: 500_000 })
    const left = Number(await server.command('PTTL', 'sse:{0}:history:a'))
    t.ok(left > 400_000 && left <= 500_000, `${left}`)
    await publish('a', 'x', { age: 0 })
    t.equal(await server.command('PTTL', 'sse:{0}:history:a'), -1)
    await publish('a', 'x', { count: 0 })
    t.equal(await server.command('EXISTS', 'sse:{0}:history:a'), 0)
  })

  t.test('no more is in Redis than a history may keep', async t => {
    const { publish } = await open(t)
    for (let number = 0; number < 50; number++) await publish('a', 'x', { count: 10 })
    t.equal(await server.command('XLEN', 'sse:{0}:history:a'), 10)
  })

  t.test('an idempotency key goes from Redis after ten minutes', async t => {
    const { publish } = await open(t)
    await publish('a', 'x', { idempotencyKey: 'once' })
    const left = Number(await server.command('PTTL', 'sse:{0}:once:a\nonce'))
    t.ok(left > 9 * MINUTE && left <= 10 * MINUTE, `${left}`)
  })

  t.test('channels that are idle are forgotten when others come, and who comes back to one is told what may be lost', async t => {
    const { publish, lost } = await open(t)
    const first = await publish('first')
    for (const [channel, history] of [['unkept', { count: 0, age: 1 }], ['expired', { age: 5 * MINUTE }], ['recent', { age: 5 * MINUTE }], ['endless', { age: 0 }]] as const) await publish(channel, 'x', history)
    await age('unkept', 11 * MINUTE)
    await age('expired', 16 * MINUTE)
    await age('recent', 14 * MINUTE)
    await age('endless', 60 * MINUTE)
    t.equal(await lost('another', idBeforeAll(epochOf(first)!)), undefined)
    await publish('new')
    const known = await Promise.all(['unkept', 'expired', 'recent', 'endless', 'first', 'new'].map(channel => server.command('HEXISTS', LOG, `:${channel}`)))
    t.strictSame(known, [0, 0, 1, 1, 1, 1])
    const gone = await lost('another', idBeforeAll(epochOf(first)!))
    t.ok(gone !== undefined && compareIds(gone, first) < 0)
    t.equal(await lost('another', first), undefined)
    await publish('unkept')
    t.equal(await lost('unkept', idBeforeAll(epochOf(first)!)), gone, 'also when the channel is known again')
  })

  t.test('a great many idle channels are forgotten bit by bit', async t => {
    const { publish } = await open(t)
    await publish('x')
    const idle = `${Date.now() - 60 * MINUTE}-0 0-0 0 0 0 0-0`
    await server.command('EVAL', `for i = 1, 1000 do redis.call('HSET', '${LOG}', ':idle/' .. i, '${idle}') end`, '0')
    let news = 0
    await eventually(async () => {
      await publish(`new/${++news}`)
      assert.ok(Number(await server.command('HLEN', LOG)) < 20 + news)
    })
    t.ok(news > 10, `after ${news} new ones`)
  })

  t.test('who has taken from a history by hand has it told', async t => {
    const { publish, lost, texts } = await open(t)
    const [first, second, third] = [await publish('a', '1'), await publish('a', '2'), await publish('a', '3')]
    await server.command('XTRIM', 'sse:{0}:history:a', 'MAXLEN', '1')
    t.strictSame([await lost('a', first), await texts('a')], [third, []], 'what is left is not told from what is not')
    await publish('a', '4')
    t.strictSame([await lost('a', second), await lost('a', third), await texts('a')], [third, undefined, ['4']])
  })

  t.test('a page is large enough at some megabytes, and the rest follows', async t => {
    const { broker, publish } = await open(t)
    for (let number = 0; number < 7; number++) await publish('a', `${number}`.repeat(1024 * 1024), { bytes: 64 * 1024 * 1024 })
    const sizes: number[] = []
    let after: string | undefined
    for (let more = true; more;) {
      const page = await broker.replay('a', after, 100)
      sizes.push(page.entries.length)
      ;({ more } = page)
      after = page.entries.at(-1)!.id
    }
    t.strictSame(sizes, [3, 3, 1])
  })

  t.test('ids rise also when the clock of Redis has gone back', async t => {
    const { broker, publish } = await open(t)
    const before = await publish('a')
    const ahead = Date.now() + 60 * MINUTE
    await server.command('HSET', LOG, 'm', `${ahead}`, 's', '7')
    const [first, second] = [await publish('a'), await publish('b')]
    t.strictSame([first, second], [8, 9].map(number => `${epochOf(before)}.${ahead}-${number}`))
    const { known, entries } = await broker.replay('a', before, 10)
    t.strictSame([known, entries.map(({ id }) => id)], [true, [first]])
  })

  t.test('brokers with another prefix have other channels', async t => {
    const { publish, texts } = await open(t)
    await publish('a', 'ours')
    const other = brokerOn(t, server, { prefix: 'other:' })
    t.strictSame((await other.replay('a', undefined, 10)).entries, [])
    await other.publish('a', { data: 'theirs' }, { history: { count: 1, age: 0, bytes: 1_000 } })
    t.strictSame(await texts('a'), ['ours'])
  })

  t.test('a log that has fallen behind what is known of it is another', async t => {
    const { broker, publish } = await open(t)
    const first = await publish('a', '1')
    const [ms, seq] = first.split('.')[1]!.split('-') as [string, string]
    await publish('a', '2')
    await server.command('HSET', LOG, 'm', ms, 's', seq)
    const third = await publish('a', '3')
    t.not(epochOf(third), epochOf(first))
    t.equal((await broker.replay('a', first, 10)).known, false)
  })

  t.test('after another process has taken over, the log is the same for whoever knows of nothing that it has lost', async t => {
    const { broker, publish } = await open(t)
    const first = await publish('a', '1')
    const second = await publish('a', '2')
    const takeOver = async (before: unknown, from: string): Promise<void> => {
      await server.command('HSET', LOG, 't', `after ${before}`, 'p', `${before}`, 'c', from.split('.')[1]!)
      // Has it look.
      await broker.subscribe(`${before}`, { onEntry: () => {}, onBreak: () => {} })
    }
    await takeOver(await server.command('HGET', LOG, 't'), second)
    t.equal(epochOf(await publish('a', '3')), epochOf(first))
    await takeOver(await server.command('HGET', LOG, 't'), second)
    const fourth = await publish('a', '4')
    t.not(epochOf(fourth), epochOf(first), 'it had not got as far as what is known')
    await takeOver('one that was never seen', fourth)
    t.not(epochOf(await publish('a', '5')), epochOf(fourth), 'what was between cannot be known')
  })
})
