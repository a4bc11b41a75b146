import assert from 'node:assert/strict'
import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { SYNC } from '../../plugin/redis/lua-scripts.ts'
import { compareIds, epochOf } from '../../plugin/wire/event-id.ts'
import { eventually } from '../fixtures/eventually.ts'
import { InstrumentedClient } from '../fixtures/instrumented-client.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record } from '../fixtures/recorder.ts'
import { NO_PROBES, openBroker, publish } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

suiteWith(t, 'redis-server', 'probes of the subscribed connection', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  t.test('a probe advances the position of a quiet channel', async t => {
    const [broker, other] = [openBroker(t, server), openBroker(t, server)]
    const recorder = await record(broker, 'quiet')
    const { id } = await publish(other, 'a', 'x')
    await eventually(() => { assert.ok(compareIds(recorder.subscription.position, id) >= 0) })
  })

  t.test('a subscription that Redis has lost is noticed even if nothing more is published', async t => {
    const client = new InstrumentedClient(server)
    const broker = openBroker(t, client)
    const [recorder, quiet] = [await record(broker, 'a'), await record(broker, 'quiet')]
    await client.subscriber.unsubscribe(['sse:{0}:live:a'])
    await publish(broker, 'a', 'x')
    await recorder.receives('x')
    await eventually(async () => { assert.equal(await server.subscriberCount('sse:{0}:live:a'), 1) })
    await publish(broker, 'a', 'y')
    await recorder.receives('x', 'y')
    t.equal(recorder.breaks + quiet.breaks, 0)
  })

  t.test('a listener that leaves during a probe is not missed', async t => {
    const broker = openBroker(t, server, { probe: NO_PROBES })
    const recorder = await record(broker, 'a')
    const probing = new Deferred<void>()
    const mayContinue = new Deferred<void>()
    const client = new InstrumentedClient(server)
    const probingBroker = openBroker(t, client, { probe: 100 })
    const leaving = await record(probingBroker, 'a')
    client.beforeCommand = async args => {
      if (args[1] !== SYNC.sha1 || !args.includes('a')) return
      probing.resolve()
      await mayContinue.promise
    }
    await probing.promise
    leaving.subscription.unsubscribe()
    await eventually(async () => { assert.equal(await server.subscriberCount('sse:{0}:live:a'), 1) })
    await publish(broker, 'a', 'x')
    await recorder.receives('x')
    client.beforeCommand = () => {}
    mayContinue.resolve()
    const other = await record(probingBroker, 'b')
    await publish(broker, 'b', 'y')
    await other.receives('y')
    t.equal(client.connections.length, 2, 'no connection was replaced')
  })

  t.test('a message of another epoch causes a probe', async t => {
    const [broker, other] = [openBroker(t, server, { probe: NO_PROBES }), openBroker(t, server, { probe: NO_PROBES })]
    const recorder = await record(broker, 'a')
    await publish(other, 'a', 'before')
    await recorder.receives('before')
    await server.command('FLUSHALL')
    const { id } = await publish(other, 'a', 'after')
    await recorder.receivesBreak()
    t.equal(epochOf(recorder.subscription.position), epochOf(id))
  })
})
