import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../fixtures/eventually.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { openBroker, publish, UNKNOWN } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'

const HISTORY_KEY = 'sse:{0}:history:a'

suiteWith(t, 'redis-server', 'a broker that waits for replicas', async (t, program) => {
  t.test('publishing resolves when enough replicas have the event', async t => {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    await replica.replicate(primary)
    const broker = openBroker(t, primary, { wait: { replicas: 1, timeout: 20_000 } })
    await Promise.all(Array.from({ length: 20 }, (_, number) => publish(broker, 'a', `${number}`)))
    t.equal(await replica.command('XLEN', HISTORY_KEY), 20)
    for (let number = 0; number < 5; number++) await publish(broker, 'a', `${number}`)
    t.equal(await replica.command('XLEN', HISTORY_KEY), 25)
  })

  t.test('if too few replicas confirm, the outcome is unknown and the event can be published again', async t => {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    await replica.replicate(primary)
    const broker = openBroker(t, primary, { wait: { replicas: 1, timeout: 100 } })
    await eventually(() => publish(broker, 'a', 'x'))
    replica.pause()
    const publishing = ['y', 'z'].map(text => publish(broker, 'a', text, { idempotencyKey: text }))
    for (const published of publishing) await t.rejects(published, { ...UNKNOWN, detail: /0 of 1 replicas confirmed within 100 ms/ })
    replica.resume()
    const { repeated } = await eventually(() => publish(broker, 'a', 'y', { idempotencyKey: 'y' }))
    t.equal(repeated, true)
  })

  t.test('a channel that has another last event than expected is reported when the replicas have that event', async t => {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    await replica.replicate(primary)
    const broker = openBroker(t, primary, { wait: { replicas: 1, timeout: 100 } })
    const { id: expectedLastId } = await eventually(() => publish(broker, 'a', 'x'))
    replica.pause()
    await t.rejects(publish(broker, 'a', 'y', { expectedLastId }), UNKNOWN)
    await t.rejects(publish(broker, 'a', 'y', { expectedLastId }), UNKNOWN)
    replica.resume()
    await eventually(() => assert.rejects(publish(broker, 'a', 'y', { expectedLastId }), { code: 'SSE_ERR_PRECONDITION' }))
  })

  t.test('if Redis is killed while the broker waits, the outcome is unknown', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server, { wait: { timeout: 60_000 } })
    const rejected = t.rejects(publish(broker, 'a', 'x'), { ...UNKNOWN, cause: { code: 'SSE_ERR_BROKER_UNKNOWN' } })
    await eventually(async () => { assert.match(`${await server.command('CLIENT', 'LIST')}`, /cmd=wait/) })
    await server.kill()
    await rejected
  })
})
