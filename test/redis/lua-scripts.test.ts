import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { compareIds, epochOf, idBeforeAll } from '../../plugin/wire/event-id.ts'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { dataOf, openBroker, publish, type PublishOptions } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

const LOG = 'sse:{0}:log'
const MINUTE = 60_000

suiteWith(t, 'redis-server', 'the Lua scripts', async (t, program) => {
  const server = await RedisServer.start(t, program)

  /** Opens a broker on an empty Redis. */
  async function setup (t: Test) {
    await server.command('FLUSHALL')
    const broker = openBroker(t, server, { probe: 60_000 })
    return {
      broker,
      publish: async (channel: string, data = 'x', options: PublishOptions = {}) => (await publish(broker, channel, data, options)).id,
      lostAfter: async (id: string, channel: string) => (await broker.replay(channel, id, 1)).lost
    }
  }

  /** Changes the record of a channel as if its last event had been published some time ago. */
  async function backdate (channel: string, ms: number): Promise<void> {
    const [, ...rest] = `${await server.command('HGET', LOG, `:${channel}`)}`.split(' ')
    await server.command('HSET', LOG, `:${channel}`, [`${Date.now() - ms}-0`, ...rest].join(' '))
  }

  t.test('a history expires with its newest entry', async t => {
    const { publish } = await setup(t)
    await publish('a', 'x', { age: 500_000 })
    const expiry = Number(await server.command('PTTL', 'sse:{0}:history:a'))
    t.ok(expiry > 400_000 && expiry <= 500_000, `${expiry}`)
    await publish('a', 'x', { age: 0 })
    t.equal(await server.command('PTTL', 'sse:{0}:history:a'), -1)
    await publish('a', 'x', { count: 0 })
    t.equal(await server.command('EXISTS', 'sse:{0}:history:a'), 0)
  })

  t.test('Redis holds no more entries than a history keeps', async t => {
    const { publish } = await setup(t)
    for (let number = 0; number < 50; number++) await publish('a', 'x', { count: 10 })
    t.equal(await server.command('XLEN', 'sse:{0}:history:a'), 10)
  })

  t.test('an idempotency key expires after ten minutes', async t => {
    const { publish } = await setup(t)
    await publish('a', 'x', { idempotencyKey: 'once' })
    const expiry = Number(await server.command('PTTL', 'sse:{0}:once:a\nonce'))
    t.ok(expiry > 9 * MINUTE && expiry <= 10 * MINUTE, `${expiry}`)
  })

  t.test('idle channels are forgotten when new ones are created, and readers learn what may be lost', async t => {
    const { publish, lostAfter } = await setup(t)
    const first = await publish('first')
    const start = idBeforeAll(epochOf(first)!)
    for (const [channel, history] of [['unkept', { count: 0, age: 1 }], ['expired', { age: 5 * MINUTE }], ['recent', { age: 5 * MINUTE }], ['endless', { age: 0 }]] as const) await publish(channel, 'x', history)
    await backdate('unkept', 11 * MINUTE)
    await backdate('expired', 16 * MINUTE)
    await backdate('recent', 14 * MINUTE)
    await backdate('endless', 60 * MINUTE)
    t.equal(await lostAfter(start, 'another'), undefined)
    await publish('new')
    const known = await Promise.all(['unkept', 'expired', 'recent', 'endless', 'first', 'new'].map(channel => server.command('HEXISTS', LOG, `:${channel}`)))
    t.strictSame(known, [0, 0, 1, 1, 1, 1])
    const lost = await lostAfter(start, 'another')
    t.ok(lost !== undefined && compareIds(lost, first) < 0)
    t.equal(await lostAfter(first, 'another'), undefined)
    await publish('unkept')
    t.equal(await lostAfter(start, 'unkept'), lost, 'also when the channel exists again')
  })

  t.test('a large number of idle channels is forgotten step by step', async t => {
    const { publish } = await setup(t)
    await publish('x')
    const idle = `${Date.now() - 60 * MINUTE}-0 0-0 0 0 0 0-0 0`
    await server.command('EVAL', `for i = 1, 1000 do redis.call('HSET', '${LOG}', ':idle/' .. i, '${idle}') end`, '0')
    let created = 0
    await eventually(async () => {
      await publish(`new/${++created}`)
      assert.ok(Number(await server.command('HLEN', LOG)) < 20 + created)
    })
    t.ok(created > 10, `after ${created} new channels`)
  })

  t.test('entries that were removed from a history by hand count as lost', async t => {
    const { broker, publish, lostAfter } = await setup(t)
    const [first, second, third] = [await publish('a', '1'), await publish('a', '2'), await publish('a', '3')]
    await server.command('XTRIM', 'sse:{0}:history:a', 'MAXLEN', '1')
    t.strictSame([await lostAfter(first, 'a'), await dataOf(broker, 'a')], [third, []], 'the remaining entries are not trusted')
    await publish('a', '4')
    t.strictSame([await lostAfter(second, 'a'), await lostAfter(third, 'a'), await dataOf(broker, 'a')], [third, undefined, ['4']])
  })

  t.test('a history is damaged by what its limits do not explain, until it reaches them again', async t => {
    const { broker, publish } = await setup(t)
    const isDamaged = async (channel: string): Promise<boolean | undefined> => (await broker.replay(channel, undefined, 1)).damaged
    for (const data of ['1', '2', '3']) await publish('a', data, { count: 2 })
    t.equal(await isDamaged('a'), false, 'reached its limit')
    await server.command('XTRIM', 'sse:{0}:history:a', 'MAXLEN', '1')
    t.equal(await isDamaged('a'), true, 'trimmed by another program')
    await publish('a', '4', { count: 2 })
    t.equal(await isDamaged('a'), true, 'after the next event')
    await publish('a', '5', { count: 2 })
    await publish('a', '6', { count: 2 })
    t.equal(await isDamaged('a'), false, 'has as many events again as it keeps')
    t.equal(await isDamaged('another'), false)
  })

  t.test('an expired history is not damaged', async t => {
    const { broker, publish } = await setup(t)
    await publish('a', 'x', { age: 5 * MINUTE })
    await server.command('DEL', 'sse:{0}:history:a')
    t.match(await broker.replay('a', undefined, 1), { damaged: true, lost: String })
    await backdate('a', 5 * MINUTE)
    t.match(await broker.replay('a', undefined, 1), { damaged: false, lost: String })
  })

  t.test('a page ends after some megabytes, and the next pages have the rest', async t => {
    const { broker, publish } = await setup(t)
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

  t.test('ids rise even if the clock of Redis goes back', async t => {
    const { broker, publish } = await setup(t)
    const before = await publish('a')
    const ahead = Date.now() + 60 * MINUTE
    await server.command('HSET', LOG, 'm', `${ahead}`, 's', '7')
    const [first, second] = [await publish('a'), await publish('b')]
    t.strictSame([first, second], [8, 9].map(number => `${epochOf(before)}.${ahead}-${number}`))
    const { known, entries } = await broker.replay('a', before, 10)
    t.strictSame([known, entries.map(({ id }) => id)], [true, [first]])
  })

  t.test('brokers with different prefixes have different channels', async t => {
    const { broker, publish } = await setup(t)
    await publish('a', 'ours')
    const other = openBroker(t, server, { prefix: 'other:' })
    t.strictSame((await other.replay('a', undefined, 10)).entries, [])
    await other.publish('a', { data: 'theirs' }, { history: { count: 1, age: 0, bytes: 1_000 } })
    t.strictSame(await dataOf(broker, 'a'), ['ours'])
  })

  t.test('a log that is behind the last known id starts a new epoch', async t => {
    const { broker, publish } = await setup(t)
    const first = await publish('a', '1')
    const [ms, seq] = first.split('.')[1]!.split('-') as [string, string]
    await publish('a', '2')
    await server.command('HSET', LOG, 'm', ms, 's', seq)
    const third = await publish('a', '3')
    t.not(epochOf(third), epochOf(first))
    t.equal((await broker.replay('a', first, 10)).known, false)
  })

  t.test('when another process takes over, the epoch continues unless a node knows of an id that was lost', async t => {
    const { broker, publish } = await setup(t)
    const first = await publish('a', '1')
    const second = await publish('a', '2')
    const takeOver = async (previousTerm: unknown, termStart: string): Promise<void> => {
      await server.command('HSET', LOG, 't', `after ${previousTerm}`, 'p', `${previousTerm}`, 'c', termStart.split('.')[1]!)
      // Subscribing runs the sync script.
      await broker.subscribe(`${previousTerm}`, { onEntry: () => {}, onBreak: () => {} })
    }
    await takeOver(await server.command('HGET', LOG, 't'), second)
    t.equal(epochOf(await publish('a', '3')), epochOf(first))
    await takeOver(await server.command('HGET', LOG, 't'), second)
    const fourth = await publish('a', '4')
    t.not(epochOf(fourth), epochOf(first), 'the new process had less than is known')
    await takeOver('a term that was never seen', fourth)
    t.not(epochOf(await publish('a', '5')), epochOf(fourth), 'what happened in between is unknown')
  })
})
