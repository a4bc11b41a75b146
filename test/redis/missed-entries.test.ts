import t from 'tap'
import { suiteWith } from '../fixtures/programs.ts'
import { brokerOn, Ear, publish, RedisServer, Relay } from '../fixtures/redis.ts'

suiteWith(t, 'redis-server', 'what was missed while a connection was lost', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  t.test('who has missed very much is told to read it', async t => {
    const [broker, other] = [brokerOn(t, server), brokerOn(t, server)]
    const relay = await Relay.start(t, server)
    const far = brokerOn(t, relay)
    const [ear, all] = [await Ear.on(far, 'a'), await Ear.on(broker, 'a')]
    relay.target = 1
    relay.cut()
    const texts = Array.from({ length: 1_001 }, (_, number) => `${number}`)
    await Promise.all(texts.map(text => publish(other, 'a', text, { count: 2_000 })))
    await all.hears(...texts)
    relay.target = server.port
    await ear.broken()
    t.strictSame(ear.texts, [])
    t.equal(ear.subscription.position, all.ids.at(-1))
  })

  t.test('what cannot be read is not waited for', async t => {
    const relay = await Relay.start(t, server)
    const [broker, other] = [brokerOn(t, relay), brokerOn(t, server)]
    const [ear, lucky] = [await Ear.on(broker, 'a'), await Ear.on(broker, 'b')]
    relay.target = 1
    relay.cut()
    await publish(other, 'a', 'x')
    await publish(other, 'b', 'y')
    await server.command('SET', 'sse:{0}:history:a', 'something else')
    relay.target = server.port
    await ear.broken()
    await lucky.hears('y')
  })

  t.test('a channel that was forgotten while the connection was lost may have had entries', async t => {
    const relay = await Relay.start(t, server)
    const [broker, other] = [brokerOn(t, relay), brokerOn(t, server)]
    const ear = await Ear.on(broker, 'a')
    relay.target = 1
    relay.cut()
    const { id } = await publish(other, 'a', 'x')
    await server.command('HDEL', 'sse:{0}:log', ':a')
    await server.command('HSET', 'sse:{0}:log', 'f', id.split('.')[1]!)
    relay.target = server.port
    await ear.broken()
  })
})
