import t from 'tap'
import { suiteWith } from '../fixtures/programs.ts'
import { record } from '../fixtures/recorder.ts'
import { openBroker, publish } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'

suiteWith(t, 'redis-server', 'entries that were missed while the connection was lost', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  t.test('a listener that missed very many entries receives a break', async t => {
    const [broker, other] = [openBroker(t, server), openBroker(t, server)]
    const proxy = await TcpProxy.start(t, server)
    const interrupted = openBroker(t, proxy)
    const [recorder, complete] = [await record(interrupted, 'a'), await record(broker, 'a')]
    proxy.disconnect()
    const texts = Array.from({ length: 1_001 }, (_, number) => `${number}`)
    await Promise.all(texts.map(text => publish(other, 'a', text, { count: 2_000 })))
    await complete.receives(...texts)
    proxy.target = server.port
    await recorder.receivesBreak()
    t.strictSame(recorder.data, [])
    t.equal(recorder.subscription.position, complete.ids.at(-1))
  })

  t.test('a history that cannot be read does not delay other channels', async t => {
    const proxy = await TcpProxy.start(t, server)
    const [broker, other] = [openBroker(t, proxy), openBroker(t, server)]
    const [recorder, readable] = [await record(broker, 'a'), await record(broker, 'b')]
    proxy.disconnect()
    await publish(other, 'a', 'x')
    await publish(other, 'b', 'y')
    await server.command('SET', 'sse:{0}:history:a', 'not a history')
    proxy.target = server.port
    await recorder.receivesBreak()
    await readable.receives('y')
    t.equal(readable.breaks, 0)
  })

  t.test('a listener of a channel that Redis has forgotten meanwhile receives a break', async t => {
    const proxy = await TcpProxy.start(t, server)
    const [broker, other] = [openBroker(t, proxy), openBroker(t, server)]
    const recorder = await record(broker, 'a')
    proxy.disconnect()
    const { id } = await publish(other, 'a', 'x')
    await server.command('HDEL', 'sse:{0}:log', ':a')
    await server.command('HSET', 'sse:{0}:log', 'f', id.split('.')[1]!)
    proxy.target = server.port
    await recorder.receivesBreak()
    t.strictSame(recorder.data, [])
  })
})
