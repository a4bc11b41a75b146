import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { InstrumentedClient } from '../fixtures/instrumented-client.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record } from '../fixtures/recorder.ts'
import { openBroker, publish } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

suiteWith(t, 'redis-server', 'pub/sub subscriptions', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  t.test('a channel is unsubscribed when its last listener leaves', async t => {
    const broker = openBroker(t, server)
    const [one, other] = [await record(broker, 'a'), await record(broker, 'a')]
    t.equal(await server.subscriberCount('sse:{0}:live:a'), 1)
    one.subscription.unsubscribe()
    await publish(broker, 'a', 'x')
    await other.receives('x')
    other.subscription.unsubscribe()
    await eventually(async () => { assert.equal(await server.subscriberCount('sse:{0}:live:a'), 0) })
    other.subscription.unsubscribe()
    const later = await record(broker, 'a')
    other.subscription.unsubscribe()
    await publish(broker, 'a', 'y')
    await later.receives('y')
  })

  t.test('a subscriber that joins as the last one leaves receives every event', async t => {
    const broker = openBroker(t, server)
    for (let round = 0; round < 20; round++) {
      const leaving = await record(broker, 'a')
      leaving.subscription.unsubscribe()
      const recorder = await record(broker, 'a')
      await publish(broker, 'a', `${round}`)
      await recorder.receives(`${round}`)
      recorder.subscription.unsubscribe()
    }
  })

  t.test('subscribing rejects if Redis does not permit it', async t => {
    const restricted = await RedisServer.start(t, program)
    const broker = openBroker(t, restricted)
    await record(broker, 'a')
    await restricted.command('ACL', 'SETUSER', 'default', 'resetchannels', '&sse:{0}:node:*', '&sse:{0}:live:a')
    await t.rejects(record(broker, 'b'), { code: 'SSE_ERR_BROKER_UNAVAILABLE', cause: { message: /NOPERM/ } })
    await restricted.command('ACL', 'SETUSER', 'default', 'allchannels')
    const recorder = await record(broker, 'b')
    await publish(broker, 'b', 'x')
    await recorder.receives('x')
  })

  t.test('a thousand channels are subscribed together, and again on a new connection', async t => {
    const client = new InstrumentedClient(server)
    // A busy machine needs a while for all of this.
    const [broker, other] = [openBroker(t, client, { timeout: 20_000 }), openBroker(t, server, { timeout: 20_000 })]
    const names = Array.from({ length: 1_100 }, (_, number) => `${number}`)
    const recorders = await Promise.all(names.map(async name => await record(broker, name)))
    client.subscriber.destroy()
    await Promise.all(names.map(async name => await publish(other, name, name)))
    for (const [number, recorder] of recorders.entries()) await recorder.receives(`${number}`)
    t.equal(recorders.reduce((sum, { breaks }) => sum + breaks, 0), 0)
    for (const { subscription } of recorders) subscription.unsubscribe()
    await eventually(async () => { assert.deepEqual(await server.command('PUBSUB', 'CHANNELS', '*:live:*'), []) })
  })
})
