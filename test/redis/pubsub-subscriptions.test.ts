import assert from 'node:assert/strict'
import t from 'tap'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, eventually, OpenClient, publish, RedisServer } from '../fixtures/redis.ts'

suiteWith(t, 'redis-server', 'what Redis is told to bring', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  const listeners = async (channel: string): Promise<number> => (await server.command('PUBSUB', 'NUMSUB', `sse:{0}:live:${channel}`) as [string, number])[1]

  t.test('what nobody follows any more is not heard any more', async t => {
    const broker = brokerOn(t, server)
    const [one, other] = [await Ear.on(broker, 'a'), await Ear.on(broker, 'a')]
    t.equal(await listeners('a'), 1)
    one.subscription.unsubscribe()
    await publish(broker, 'a', 'x')
    await other.hears('x')
    other.subscription.unsubscribe()
    await eventually(async () => { assert.equal(await listeners('a'), 0) })
    other.subscription.unsubscribe()
    const again = await Ear.on(broker, 'a')
    other.subscription.unsubscribe()
    await publish(broker, 'a', 'y')
    await again.hears('y')
  })

  t.test('who comes just when the last one goes hears all', async t => {
    const broker = brokerOn(t, server)
    for (let times = 0; times < 20; times++) {
      const leaver = await Ear.on(broker, 'a')
      leaver.subscription.unsubscribe()
      const ear = await Ear.on(broker, 'a')
      await publish(broker, 'a', `${times}`)
      await ear.hears(`${times}`)
      ear.subscription.unsubscribe()
    }
  })

  t.test('where Redis does not let it subscribe, that is said', async t => {
    const guarded = await RedisServer.start(t, program)
    const broker = brokerOn(t, guarded)
    await Ear.on(broker, 'a')
    await guarded.command('ACL', 'SETUSER', 'default', 'resetchannels', '&sse:{0}:node:*', '&sse:{0}:live:a')
    await t.rejects(Ear.on(broker, 'b'), { code: 'SSE_ERR_BROKER_UNAVAILABLE', cause: { message: /NOPERM/ } })
    await guarded.command('ACL', 'SETUSER', 'default', 'allchannels')
    const ear = await Ear.on(broker, 'b')
    await publish(broker, 'b', 'x')
    await ear.hears('x')
  })

  t.test('a thousand channels join together, and are heard on a new connection as well', async t => {
    const client = new OpenClient(server)
    const broker = brokerOn(t, client)
    const other = brokerOn(t, server)
    const names = Array.from({ length: 1_100 }, (_, number) => `${number}`)
    const ears = await Promise.all(names.map(async name => await Ear.on(broker, name)))
    client.subscriber.destroy()
    await Promise.all(names.map(async name => await publish(other, name, name)))
    for (const [number, ear] of ears.entries()) await ear.hears(`${number}`)
    t.equal(ears.reduce((sum, { breaks }) => sum + breaks, 0), 0)
    for (const { subscription } of ears) subscription.unsubscribe()
    await eventually(async () => { assert.strictEqual((await server.command('PUBSUB', 'CHANNELS', '*:live:*') as string[]).length, 0) })
  })
})
