import t, { type Test } from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { PUBLISH, SYNC } from '../../plugin/redis/lua-scripts.ts'
import { epochOf } from '../../plugin/wire/event-id.ts'
import { InstrumentedClient } from '../fixtures/instrumented-client.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record } from '../fixtures/recorder.ts'
import { dataOf, NO_PROBES, openBroker, publish, publishEventually, UNAVAILABLE } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

suiteWith(t, 'redis-server', 'a log that is not available', async (t, program) => {
  t.test('a log that cannot be started because Redis is out of memory is started when there is room', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server, { probe: NO_PROBES })
    const recorder = await record(broker, 'a')
    await publish(broker, 'a', 'before')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await server.command('FLUSHALL')
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    const replay = broker.replay('a', undefined, 10)
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    t.strictSame((await replay).entries, [])
    await publishEventually(broker, 'a', 'after')
    await recorder.receivesBreak()
    await recorder.receives('before', 'after')
  })

  t.test('a replay notices that the log is another one', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server, { probe: NO_PROBES })
    const recorder = await record(broker, 'a')
    const { id } = await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const { known, entries, clock } = await broker.replay('a', id, 10)
    t.strictSame([known, entries], [false, []])
    await recorder.receivesBreak()
    t.equal(epochOf(recorder.subscription.position), epochOf(clock))
  })

  t.test('a history key with a value of another type affects only its channel', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server)
    await publish(broker, 'a', 'x')
    await server.command('SET', 'sse:{0}:history:a', 'not a history')
    await t.rejects(broker.replay('a', undefined, 10), { ...UNAVAILABLE, detail: /WRONGTYPE/, cause: { message: /WRONGTYPE/ } })
    await t.rejects(publish(broker, 'a', 'x'), { ...UNAVAILABLE, detail: /WRONGTYPE/ })
    await publish(broker, 'b', 'x')
  })
})

suiteWith(t, 'redis-server', 'publications that have to be sent again', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  /** A broker whose log has been flushed, and whose commands can be delayed. */
  const setup = async (t: Test) => {
    const client = new InstrumentedClient(server)
    const broker = openBroker(t, client, { probe: NO_PROBES })
    await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const delayed = new Deferred<void>()
    const mayContinue = new Deferred<void>()
    const delay = async (): Promise<void> => {
      delayed.resolve()
      await mayContinue.promise
    }
    return { broker, client, delayed: delayed.promise, delay, letContinue: mayContinue.resolve }
  }

  const assertOrder = async (t: Test, broker: SseBroker, published: Array<Promise<{ id: string }>>): Promise<void> => {
    const ids = (await Promise.all(published)).map(({ id }) => id)
    const { entries } = await broker.replay('a', undefined, 10)
    t.strictSame(entries.map(({ id, data }) => [id, data]), ids.map((id, index) => [id, `${index}`]))
  }

  t.test('they precede those that are called while the new log is requested', async t => {
    const { broker, client, delayed, delay, letContinue } = await setup(t)
    client.beforeCommand = async args => { if (args[1] === SYNC.sha1) await delay() }
    const published = ['0', '1'].map(text => publish(broker, 'a', text))
    await delayed
    published.push(...['2', '3'].map(text => publish(broker, 'a', text)))
    // By then they wait.
    await new Promise(setImmediate)
    letContinue()
    await assertOrder(t, broker, published)
  })

  t.test('they precede those that are called when the new log is known, before the refusals arrive', async t => {
    const { broker, client, delayed, delay, letContinue } = await setup(t)
    client.afterCommand = async args => { if (args[1] === PUBLISH.sha1) await delay() }
    const published = [publish(broker, 'a', '0')]
    await delayed
    client.afterCommand = () => {}
    await broker.replay('a', undefined, 1)
    published.push(publish(broker, 'a', '1'))
    await new Promise(setImmediate)
    letContinue()
    await assertOrder(t, broker, published)
  })

  t.test('they precede later ones if Redis does not have the script any more', async t => {
    const { broker, client, delayed, delay, letContinue } = await setup(t)
    await publish(broker, 'b', 'x')
    await server.command('SCRIPT', 'FLUSH')
    client.afterCommand = async args => { if (args[1] === PUBLISH.sha1) await delay() }
    const published = [publish(broker, 'a', '0')]
    await delayed
    client.afterCommand = () => {}
    published.push(publish(broker, 'a', '1'))
    await broker.replay('a', undefined, 1)
    letContinue()
    await assertOrder(t, broker, published)
  })

  t.test('they are rejected as not published if the connection is lost', async t => {
    const { broker, client, delayed, delay, letContinue } = await setup(t)
    client.beforeCommand = async args => { if (args[1] === SYNC.sha1) await delay() }
    const published = ['0', '1'].map(text => publish(broker, 'a', text))
    await delayed
    for (const connection of client.connections) connection.destroy()
    client.beforeCommand = () => {}
    for (const rejected of published) await t.rejects(rejected, UNAVAILABLE)
    letContinue()
    await publishEventually(broker, 'a', '0')
    t.strictSame(await dataOf(broker, 'a'), ['0'])
  })
})
