import t, { type Test } from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { Deferred } from '../../plugin/base/deferred.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'
import { epochOf } from '../../plugin/wire/event-id.ts'
import { parseEntry, stringifyPayload } from '../../plugin/redis/redis-log.ts'
import { PUBLISH, SYNC } from '../../plugin/redis/lua-scripts.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, insist, OpenClient, publish, RedisServer } from '../fixtures/redis.ts'

const NEVER = 600_000
const UNAVAILABLE = { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503 }

t.test('an entry is read as it was written, to the last half of a character', async t => {
  for (const payload of [{ data: 'x' }, { data: '', event: '', retry: 0, comment: '', key: '' }, { data: '\uD800', comment: '\0\n\u2028' }, { retry: 1 }]) {
    t.strictSame(parseEntry('e.1-0', stringifyPayload(payload)), new SseEntry('e.1-0', payload))
  }
})

suiteWith(t, 'redis-server', 'a log that Redis does not let us have', async (t, program) => {
  t.test('a log that cannot begin, because Redis is full, is not there; and begins when there is room', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server, { probe: NEVER })
    const ear = await Ear.on(broker, 'a')
    await publish(broker, 'a', 'before')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await server.command('FLUSHALL')
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    const reading = broker.replay('a', undefined, 10)
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    t.strictSame((await reading).entries, [])
    await insist(broker, 'a', 'after')
    await ear.broken()
    await ear.hears('before', 'after')
  })

  t.test('who reads is the first to see that it is another', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server, { probe: NEVER })
    const ear = await Ear.on(broker, 'a')
    const { id } = await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const { known, entries, clock } = await broker.replay('a', id, 10)
    t.strictSame([known, entries], [false, []])
    await ear.broken()
    t.equal(epochOf(ear.subscription.position), epochOf(clock))
  })

  t.test('what is no history is not read', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server)
    await publish(broker, 'a', 'x')
    await server.command('SET', 'sse:{0}:history:a', 'something else')
    await t.rejects(broker.replay('a', undefined, 10), { ...UNAVAILABLE, message: /WRONGTYPE/, cause: { message: /WRONGTYPE/ } })
    await t.rejects(publish(broker, 'a', 'x'), { ...UNAVAILABLE, message: /WRONGTYPE/ })
    await publish(broker, 'b', 'others are not concerned')
  })
})

suiteWith(t, 'redis-server', 'publications that have to be sent again', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  /** A broker that has published something, and whose commands can be held up. */
  const open = async (t: Test) => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client, { probe: NEVER })
    await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const asked = new Deferred<void>()
    const going = new Deferred<void>()
    const hold = async (): Promise<void> => {
      asked.resolve()
      await going.promise
    }
    return { broker, client, asked: asked.promise, hold, go: going.resolve }
  }

  const isOrdered = async (t: Test, broker: SseBroker, published: Array<Promise<{ id: string }>>): Promise<void> => {
    const ids = (await Promise.all(published)).map(({ id }) => id)
    const { entries } = await broker.replay('a', undefined, 10)
    t.strictSame(entries.map(({ id, data }) => [id, data]), ids.map((id, index) => [id, `${index}`]))
  }

  t.test('go before what is called for while it is found out that the log is another', async t => {
    const { broker, client, asked, hold, go } = await open(t)
    client.before = async args => { if (args[1] === SYNC.sha) await hold() }
    const published = ['0', '1'].map(text => publish(broker, 'a', text))
    await asked
    published.push(...['2', '3'].map(text => publish(broker, 'a', text)))
    // Those have got as far as they can.
    await new Promise(setImmediate)
    go()
    await isOrdered(t, broker, published)
  })

  t.test('go before what is called for when that is known, and their answers are not here yet', async t => {
    const { broker, client, asked, hold, go } = await open(t)
    client.after = async args => { if (args[1] === PUBLISH.sha) await hold() }
    const published = [publish(broker, 'a', '0')]
    await asked
    client.after = () => {}
    await broker.replay('a', undefined, 1)
    published.push(publish(broker, 'a', '1'))
    await new Promise(setImmediate)
    go()
    await isOrdered(t, broker, published)
  })

  t.test('go before what is called for after it, also where Redis does not know the script', async t => {
    const { broker, client, asked, hold, go } = await open(t)
    await publish(broker, 'b', 'x')
    await server.command('SCRIPT', 'FLUSH')
    client.after = async args => { if (args[1] === PUBLISH.sha) await hold() }
    const published = [publish(broker, 'a', '0')]
    await asked
    client.after = () => {}
    published.push(publish(broker, 'a', '1'))
    await broker.replay('a', undefined, 1)
    go()
    await isOrdered(t, broker, published)
  })

  t.test('are refused where the connection is lost meanwhile, since they were not taken', async t => {
    const { broker, client, asked, hold, go } = await open(t)
    client.before = async args => { if (args[1] === SYNC.sha) await hold() }
    const published = ['0', '1'].map(text => publish(broker, 'a', text))
    await asked
    for (const connection of client.connections) connection.destroy()
    client.before = () => {}
    for (const refused of published) await t.rejects(refused, UNAVAILABLE)
    go()
    await insist(broker, 'a', '0')
    t.strictSame((await broker.replay('a', undefined, 10)).entries.map(({ data }) => data), ['0'])
  })
})
