import assert from 'node:assert/strict'
import t from 'tap'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, eventually, publish, RedisServer } from '../fixtures/redis.ts'

const UNKNOWN = { code: 'SSE_ERR_BROKER_UNKNOWN', statusCode: 503 }

suiteWith(t, 'redis-server', 'a broker that waits for replicas', async (t, program) => {
  t.test('what is published is with as many replicas when that is said', async t => {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    await replica.follow(primary)
    const broker = brokerOn(t, primary, { wait: { replicas: 1, timeout: 20_000 } })
    await Promise.all(Array.from({ length: 20 }, (_, number) => publish(broker, 'a', `${number}`)))
    t.equal(await replica.command('XLEN', 'sse:{0}:history:a'), 20)
    for (let number = 0; number < 5; number++) await publish(broker, 'a', `${number}`)
    t.equal(await replica.command('XLEN', 'sse:{0}:history:a'), 25)
  })

  t.test('where too few confirm it, it is not known what will be, and it may be repeated', async t => {
    const [primary, replica] = [await RedisServer.start(t, program), await RedisServer.start(t, program)]
    await replica.follow(primary)
    const broker = brokerOn(t, primary, { wait: { replicas: 1, timeout: 100 } })
    await eventually(() => publish(broker, 'a', 'x'))
    replica.pause()
    const publishing = ['y', 'z'].map(text => publish(broker, 'a', text, { idempotencyKey: text }))
    for (const published of publishing) await t.rejects(published, { ...UNKNOWN, message: /0 of 1 replicas have confirmed it within 100 ms/ })
    replica.resume()
    const { repeated } = await eventually(() => publish(broker, 'a', 'y', { idempotencyKey: 'y' }))
    t.equal(repeated, true)
  })

  t.test('where Redis goes while it is waited for, it is not known either', async t => {
    const server = await RedisServer.start(t, program)
    const broker = brokerOn(t, server, { wait: { timeout: 60_000 } })
    const settled = t.rejects(publish(broker, 'a', 'x'), { ...UNKNOWN, cause: { code: 'SSE_ERR_BROKER_UNKNOWN' } })
    await eventually(async () => { assert.match(`${await server.command('CLIENT', 'LIST')}`, /cmd=wait/) })
    await server.kill()
    await settled
  })
})
