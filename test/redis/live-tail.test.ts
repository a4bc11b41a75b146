import assert from 'node:assert/strict'
import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { CheckedBroker } from '../../plugin/channels/checked-broker.ts'
import { FanOut } from '../../plugin/channels/fan-out.ts'
import { SYNC } from '../../plugin/redis/lua-scripts.ts'
import { epochOf } from '../../plugin/wire/event-id.ts'
import { liveTimers } from '../fixtures/clock.ts'
import { eventually } from '../fixtures/eventually.ts'
import { InstrumentedClient } from '../fixtures/instrumented-client.ts'
import { suiteWith } from '../fixtures/programs.ts'
import { record, Recorder } from '../fixtures/recorder.ts'
import { NO_PROBES, openBroker, publish, UNKNOWN } from '../fixtures/redis-broker.ts'
import { RedisServer } from '../fixtures/redis-server.ts'
import { FakeStream } from '../fixtures/subscriber.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'

suiteWith(t, 'redis-server', 'the live tail of channels', async (t, program) => {
  const server = await RedisServer.start(t, program)
  t.beforeEach(async () => { await server.command('FLUSHALL') })

  t.test('a lost message is noticed at the next message of its channel', async t => {
    const client = new InstrumentedClient(server)
    const broker = openBroker(t, client, { probe: NO_PROBES })
    const recorder = await record(broker, 'a')
    await client.subscriber.unsubscribe(['sse:{0}:live:a'])
    await publish(broker, 'a', '1')
    await client.subscriber.subscribe(['sse:{0}:live:a'], client.listener)
    await publish(broker, 'a', '2')
    await recorder.receives('1', '2')
    await publish(broker, 'a', '3')
    await recorder.receives('1', '2', '3')
    t.equal(recorder.breaks, 0)
  })

  t.test('a marker of another epoch is ignored', async t => {
    const broker = openBroker(t, server, { probe: NO_PROBES })
    const recorder = await record(broker, 'a')
    const [markerChannel] = await eventually(async () => {
      const markerChannels = await server.command('PUBSUB', 'CHANNELS', '*:node:*') as string[]
      assert.equal(markerChannels.length, 1, 'the brokers of other tests are closed')
      return markerChannels
    })
    await server.command('PUBLISH', markerChannel!, 'marker\nanother\n999999999999999-0\n')
    const { id } = await publish(broker, 'a', 'x')
    await recorder.receives('x')
    t.equal(recorder.subscription.position, id)
  })

  t.test('a message that another program has published is left out, and later events are received', async t => {
    const broker = openBroker(t, server, { probe: NO_PROBES })
    const recorder = await record(broker, 'a')
    const { id } = await publish(broker, 'a', '1')
    await recorder.receives('1')
    const [epoch, time] = id.split('.')
    const markerChannel = await eventually(async () => {
      const markerChannels = await server.command('PUBSUB', 'CHANNELS', '*:node:*') as string[]
      assert.equal(markerChannels.length, 1, 'the brokers of other tests are closed')
      return markerChannels[0]!
    })
    for (const channel of [markerChannel, 'sse:{0}:live:a', 'sse:{0}:live:b']) {
      for (const message of ['', 'x', `${epoch}\nx\n${time}\n["x"]`, `${epoch}\n${time}\nx\n["x"]`, `x\n${epoch}\nx\n`]) await server.command('PUBLISH', channel, message)
    }
    await publish(broker, 'a', '2')
    await recorder.receives('1', '2')
    t.equal(recorder.breaks, 2, 'its listeners read the history')
  })

  t.test('an id of the far future that another program has made up is not delivered, and resets no client', async t => {
    const broker = openBroker(t, server, { probe: NO_PROBES })
    const fanOut = new FanOut(broker)
    const [stream, later] = [new FakeStream(fanOut), new FakeStream(fanOut)]
    await stream.subscribe('a', { now: true })
    const { id } = await publish(broker, 'a', '1')
    await eventually(() => { assert.deepEqual(stream.data(), ['1']) })
    const [epoch, time] = id.split('.')
    for (const ms of [Date.now() + 2 * 3_600_000, 9_999_999_999_999]) {
      await server.command('PUBLISH', 'sse:{0}:live:a', `${epoch}\n${ms}-0\n${time}\n["forged"]`)
    }
    const published = await publish(broker, 'a', '2')
    t.equal(epochOf(published.id), epoch)
    await eventually(() => { assert.deepEqual(stream.data(), ['1', '2']) })
    await later.subscribe('a', { after: id })
    await eventually(() => { assert.deepEqual(later.data(), ['2']) })
    t.strictSame([...stream.markers(), ...later.markers()], ['sse-ready', 'sse-ready'])
  })

  t.test('an id that is ahead of the clock of this process is read from the log', async t => {
    const broker = openBroker(t, server, { probe: NO_PROBES })
    const recorder = await record(broker, 'a')
    await publish(broker, 'a', '1')
    await server.command('HSET', 'sse:{0}:log', 'm', `${Date.now() + 24 * 3_600_000}`)
    for (const data of ['2', '3', '4']) await publish(broker, 'a', data)
    await recorder.receives('1', '2', '3', '4')
    t.equal(recorder.breaks, 0)
  })

  t.test('clients receive a gap in place of an event that cannot be sent', async t => {
    const reports: unknown[] = []
    const redis = openBroker(t, server, { probe: NO_PROBES })
    const broker = new CheckedBroker(redis, (error, channel) => { reports.push([(error as { code: string }).code, channel]) })
    const fanOut = new FanOut(broker)
    const [stream, other] = [new FakeStream(fanOut), new FakeStream(fanOut)]
    await stream.subscribe('a', { now: true })
    await other.subscribe('b', { now: true })
    for (const [number, payload] of ['["x","a\\nb"]', '["x",null,-1]', '[]', 'no JSON'].entries()) {
      const { id } = await publish(broker, 'a', String(number))
      await eventually(() => { assert.equal(stream.data().at(-1), String(number)) })
      const [epoch, time] = id.split('.')
      const [ms, seq] = time!.split('-')
      await server.command('PUBLISH', 'sse:{0}:live:a', `${epoch}\n${ms}-${Number(seq) + 1}\n${time}\n${payload}`)
      await eventually(() => { assert.equal(stream.markers().length, number + 2) })
    }
    await publish(broker, 'a', 'last')
    await publish(broker, 'b', 'other')
    await eventually(() => { assert.equal(stream.data().at(-1), 'last') })
    await eventually(() => { assert.equal(other.data().at(-1), 'other') })
    t.strictSame(stream.markers(), ['sse-ready', 'sse-gap', 'sse-gap', 'sse-gap', 'sse-gap'])
    t.strictSame(reports, Array(4).fill(['SSE_ERR_EVENT', 'a']))
    t.equal(stream.error, undefined)
  })

  t.test('subscribing waits until Redis replies', async t => {
    const proxy = await TcpProxy.start(t, server)
    const broker = openBroker(t, proxy, { timeout: 300 })
    await record(broker, 'a')
    proxy.dropReplies = true
    const subscribing = record(broker, 'b')
    await eventually(async () => { assert.equal(await server.subscriberCount('sse:{0}:live:b'), 1) })
    await t.rejects(publish(broker, 'b', 'x'), UNKNOWN)
    proxy.dropReplies = false
    const recorder = await subscribing
    await eventually(() => publish(broker, 'b', 'y', { idempotencyKey: 'once' }))
    await eventually(() => { assert.equal(recorder.data.at(-1), 'y') })
  })

  t.test('subscribing rejects if the broker is closed meanwhile', async t => {
    const client = new InstrumentedClient(server)
    const broker = openBroker(t, client, { probe: NO_PROBES })
    await record(broker, 'a')
    const called = new Deferred<void>()
    client.beforeCommand = async args => {
      if (args[1] !== SYNC.sha1) return
      called.resolve()
      await new Promise(() => {})
    }
    const rejected = t.rejects(record(broker, 'b'), { code: 'SSE_ERR_BROKER_CLOSED' })
    await called.promise
    await broker.close()
    await rejected
  })

  t.test('a closed broker ignores messages and leaves no timer', async t => {
    const live = liveTimers(t)
    const client = new InstrumentedClient(server)
    const broker = openBroker(t, client)
    const recorder = await record(broker, 'a')
    await broker.close()
    client.listener('another\n1-0\n0-0\n["x"]', 'sse:{0}:live:a')
    t.strictSame(recorder.data, [])
    t.equal(live.size, 0)
  })

  t.test('after a listener closes the broker, no other listener is called', async t => {
    const broker = openBroker(t, server)
    const [first, last] = [await record(broker, 'a'), new Recorder()]
    await broker.subscribe('a', { onEntry: () => { broker.close() }, onBreak: () => {} })
    await broker.subscribe('a', last)
    const other = openBroker(t, server)
    await publish(other, 'a', 'x')
    await first.receives('x')
    t.strictSame(last.data, [])
  })
})
