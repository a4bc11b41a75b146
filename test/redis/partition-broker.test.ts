import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { redisBroker, type RedisConnection } from '../../plugin/redis/index.ts'
import { PUBLISH, READ } from '../../plugin/redis/lua-scripts.ts'
import { eventually } from '../fixtures/eventually.ts'
import { InstrumentedClient } from '../fixtures/instrumented-client.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record } from '../fixtures/recorder.ts'
import { dataOf, openBroker, publish } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

const BUSY = { code: 'SSE_ERR_BROKER_BUSY', statusCode: 503 }

suiteWith(t, 'redis-server', 'a broker of one partition', async (t, program) => {
  const server = await RedisServer.start(t, program)

  t.test('it limits the bytes of publications that wait for Redis', async t => {
    const client = new InstrumentedClient(server)
    const broker = openBroker(t, client, { maxPending: 2_000 })
    const mayContinue = new Deferred<void>()
    client.beforeCommand = async args => { if (args[1] === PUBLISH.sha1) await mayContinue.promise }
    const large = publish(broker, 'a', 'x'.repeat(5_000))
    await t.rejects(publish(broker, 'a', 'x'), BUSY)
    mayContinue.resolve()
    await large
    await Promise.all(['1', '2', '3'].map(text => publish(broker, 'a', text)))
    await t.rejects(Promise.all(['1', '2', '3', '4'].map(text => publish(broker, 'a', text))), BUSY)
  })

  t.test('it refuses an event that cannot be sent', async t => {
    const broker = openBroker(t, server)
    await t.rejects(broker.publish('a', { data: 'x', event: 'a\nb' }, { history: { count: 1, age: 0, bytes: 1_024 } }), { code: 'SSE_ERR_EVENT' })
  })

  t.test('an event that expects another last event is refused', async t => {
    const broker = openBroker(t, server)
    const { id: expectedLastId } = await publish(broker, 'expected', '1')
    const { id } = await publish(broker, 'expected', '2', { expectedLastId })
    await t.rejects(publish(broker, 'expected', '3', { expectedLastId }), { code: 'SSE_ERR_PRECONDITION', statusCode: 412 })
    await publish(broker, 'expected', '4', { expectedLastId: id })
    t.strictSame(await dataOf(broker, 'expected'), ['1', '2', '4'])
  })

  t.test('it limits the replays at once, and the replays and subscriptions that wait', async t => {
    const client = new InstrumentedClient(server)
    const broker = openBroker(t, client, { maxReplays: 2, maxWaiting: 3 })
    const mayContinue = new Deferred<void>()
    let reads = 0
    client.beforeCommand = async args => {
      if (args[1] !== READ.sha1) return
      reads++
      await mayContinue.promise
    }
    const replays = Array.from({ length: 5 }, () => broker.replay('a', undefined, 1))
    await t.rejects(broker.replay('a', undefined, 1), BUSY)
    const subscriptions = ['a', 'a', 'b'].map(channel => record(broker, channel))
    await t.rejects(record(broker, 'b'), BUSY)
    await Promise.all(subscriptions)
    await eventually(() => { assert.ok(reads >= 2) })
    t.equal(reads, 2)
    mayContinue.resolve()
    await Promise.all(replays)
    await Promise.all(['b', 'c'].map(channel => record(broker, channel)))
    await broker.replay('a', undefined, 1)
  })

  t.test('an event that is published before the broker is connected is sent when it is', async t => {
    const broker = openBroker(t, server)
    const { id } = await publish(broker, 'early', 'x')
    t.equal((await broker.replay('early', undefined, 1)).entries[0]!.id, id)
  })

  t.test('a broker that is closed before it is connected does not publish', async t => {
    const broker = openBroker(t, server)
    const publishing = publish(broker, 'a', 'x')
    await broker.close()
    await t.rejects(publishing, { code: 'SSE_ERR_BROKER_CLOSED' })
    await eventually(async () => { assert.equal(await server.connectionCount(), 0) })
  })
})

t.test('an onError that throws becomes a warning, and the connection is made again', async t => {
  const warnings = t.capture(process, 'emitWarning')
  let attempts = 0
  const client = {
    duplicate: (): RedisConnection => {
      attempts++
      return Object.assign(new EventEmitter(), { connect: async () => { throw new Error('refused') }, destroy: () => {} }) as unknown as RedisConnection
    }
  }
  const broker = redisBroker({ client, onError: () => { throw new Error('boom') } })
  // Without a real connection, nothing else keeps the process alive.
  const keepAlive = setInterval(() => {}, 1_000)
  await eventually(() => { assert.ok(attempts >= 4) })
  await broker.close()
  clearInterval(keepAlive)
  t.match(warnings.args()[0], [/^The callback `onError` of redisBroker\(\) threw: Error: boom/])
})
