import assert from 'node:assert/strict'
import t from 'tap'
import { eventually } from '../../fixtures/eventually.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { record } from '../../fixtures/recorder.ts'
import { openBroker, publish, publishEventually } from '../../fixtures/redis-broker.ts'
import { RedisServer } from '../../fixtures/redis-server.ts'
import { TcpProxy } from '../../fixtures/tcp-proxy.ts'

suiteWith(t, 'redis-server', 'lost connections to Redis', async (t, program) => {
  t.test('while connections are killed under load, every event is received once and in order', async t => {
    const server = await RedisServer.start(t, program)
    const [broker, other] = [openBroker(t, server), openBroker(t, server)]
    const recorders = [await record(broker, 'a'), await record(other, 'a')]
    const texts: string[] = []
    for (let round = 0; round < 10; round++) {
      const some = Array.from({ length: 50 }, (_, number) => `${round}.${number}`)
      texts.push(...some)
      const publishing = some.map(text => publish(broker, 'a', text))
      await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await Promise.all(publishing)
    }
    for (const recorder of recorders) {
      await recorder.receives(...texts)
      t.equal(recorder.breaks, 0)
    }
  })

  t.test('a connection that receives nothing any more is replaced, and missed events are delivered', async t => {
    const server = await RedisServer.start(t, program)
    const proxy = await TcpProxy.start(t, server)
    const broker = openBroker(t, proxy, { timeout: 500 })
    const recorder = await record(broker, 'a')
    await publish(broker, 'a', 'received')
    await recorder.receives('received')
    proxy.dropMessages = true
    await publish(broker, 'a', 'missed')
    await eventually(() => { assert.equal(proxy.connectionCount, 1) })
    proxy.dropMessages = false
    await recorder.receives('received', 'missed')
    t.equal(recorder.breaks, 0)
  })

  t.test('while brokers publish and lose connections at random, all receive the same events in the same order', async t => {
    const server = await RedisServer.start(t, program)
    const proxy = await TcpProxy.start(t, server)
    const brokers = [openBroker(t, proxy), openBroker(t, server), openBroker(t, proxy)]
    const channels = ['a', 'b', 'c']
    const recorders = await Promise.all(brokers.flatMap(broker => channels.map(async channel => ({ channel, recorder: await record(broker, channel) }))))
    const sent = new Map(channels.map(channel => [channel, new Set<string>()]))
    await Promise.all(brokers.map(async (broker, node) => {
      for (let number = 0; number < 60; number++) {
        const channel = channels[Math.floor(Math.random() * channels.length)]!
        const text = `${node}.${number}`
        sent.get(channel)!.add(text)
        if (Math.random() < 0.5) await publishEventually(broker, channel, text)
        else await Promise.all([publishEventually(broker, channel, text), Math.random() < 0.5 ? server.command('CLIENT', 'KILL', 'TYPE', 'pubsub') : undefined])
        if (Math.random() < 0.05) proxy.cut()
      }
    }))
    for (const channel of channels) await publishEventually(brokers[1]!, channel, 'the last')
    for (const { channel, recorder } of recorders) {
      await eventually(() => { assert.equal(recorder.data.at(-1), 'the last') })
      const { entries } = await brokers[1]!.replay(channel, undefined, 1_000)
      t.strictSame(recorder.ids, entries.map(({ id }) => id))
      t.strictSame(new Set(recorder.data), new Set([...sent.get(channel)!, 'the last']))
      t.equal(recorder.breaks, 0)
    }
  })
})
