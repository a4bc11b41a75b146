import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { CheckedBroker } from '../../../plugin/channels/checked-broker.ts'
import { FanOut } from '../../../plugin/channels/fan-out.ts'
import { compareIds, epochOf, idBeforeAll } from '../../../plugin/wire/event-id.ts'
import { eventually } from '../../fixtures/eventually.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { record } from '../../fixtures/recorder.ts'
import { dataOf, openBroker, publish, publishEventually } from '../../fixtures/redis-broker.ts'
import { RedisServer } from '../../fixtures/redis-server.ts'
import { FakeStream } from '../../fixtures/subscriber.ts'
import { TcpProxy } from '../../fixtures/tcp-proxy.ts'

suiteWith(t, 'redis-server', 'loss of data in Redis', async (t, program) => {
  t.test('after a restart without data, every listener receives a break', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server)
    const [recorder, quiet] = [await record(broker, 'a'), await record(broker, 'quiet')]
    const { id } = await publish(broker, 'a', 'before')
    await recorder.receives('before')
    await server.kill()
    await server.start()
    await recorder.receivesBreak()
    await quiet.receivesBreak()
    t.not(epochOf(recorder.subscription.position), epochOf(id))
    t.equal((await broker.replay('a', id, 10)).known, false)
    await publishEventually(broker, 'a', 'after')
    await recorder.receives('before', 'after')
    t.strictSame([recorder.breaks, quiet.breaks], [1, 1])
  })

  t.test('after a flush, every listener receives a break, even if nothing is published to its channel', async t => {
    const server = await RedisServer.start(t, program)
    const [broker, idle] = [openBroker(t, server), openBroker(t, server)]
    const [recorder, quiet] = [await record(broker, 'a'), await record(idle, 'quiet')]
    const { id } = await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const after = await publish(broker, 'a', 'after')
    t.not(epochOf(after.id), epochOf(id))
    await recorder.receivesBreak()
    await quiet.receivesBreak()
    await eventually(() => { assert.ok(compareIds(recorder.subscription.position, after.id) >= 0) })
    const { known, entries } = await idle.replay('a', id, 10)
    t.strictSame([known, entries.map(({ id }) => id)], [false, [after.id]])
    await publish(idle, 'quiet', 'x')
    await quiet.receives('x')
  })

  t.test('events that are published without awaiting keep their order across a flush', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server)
    await publish(broker, 'a', 'before')
    await server.command('FLUSHALL')
    const texts = Array.from({ length: 200 }, (_, number) => `${number}`)
    const published = await Promise.all(texts.map(async (text, number) => {
      await sleep(number / 50)
      return await publish(broker, 'a', text)
    }))
    const { entries } = await broker.replay('a', undefined, 1_000)
    t.strictSame(entries.map(({ data }) => data), texts)
    t.strictSame(entries.map(({ id }) => id), published.map(({ id }) => id))
  })

  t.test('if Redis has evicted the log, a new epoch starts', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server)
    const recorder = await record(broker, 'a')
    const { id } = await publish(broker, 'a', 'before')
    await recorder.receives('before')
    await server.command('DEL', 'sse:{0}:log')
    await recorder.receivesBreak()
    t.equal((await broker.replay('a', id, 10)).known, false)
    await publish(broker, 'a', 'after')
    t.strictSame(await dataOf(broker, 'a'), ['after'])
    await recorder.receives('before', 'after')
  })

  t.test('if Redis has evicted a history, replays report the loss', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server)
    const [first, second] = [await publish(broker, 'a', '1'), await publish(broker, 'a', '2')]
    await server.command('DEL', 'sse:{0}:history:a')
    t.equal((await broker.replay('a', first.id, 10)).lost, second.id)
    t.equal((await broker.replay('a', second.id, 10)).lost, undefined)
    await publish(broker, 'a', '3')
    const { lost, entries } = await broker.replay('a', first.id, 10)
    t.strictSame([lost, entries.map(({ data }) => data)], [second.id, ['3']])
  })

  t.test('after another program has trimmed a history, a client that starts at its beginning receives a gap', async t => {
    const server = await RedisServer.start(t, program)
    const fanOut = new FanOut(new CheckedBroker(openBroker(t, server), () => {}))
    const ids: string[] = []
    for (const data of ['1', '2', '3']) ids.push((await publish(fanOut.broker, 'a', data)).id)
    await server.command('XTRIM', 'sse:{0}:history:a', 'MAXLEN', '2')
    await publish(fanOut.broker, 'a', '4')
    const stream = new FakeStream(fanOut)
    await stream.subscribe('a')
    await eventually(() => { assert.deepEqual(stream.data(), ['4']) })
    const [gap] = stream.decoded().events
    t.match(gap, { event: 'sse-gap', data: JSON.stringify({ gaps: [{ channel: 'a', from: idBeforeAll(epochOf(ids[0]!)!), to: ids[2] }] }) })
  })

  t.test('if more is published during a lost connection than the history keeps, the listener receives a break', async t => {
    const server = await RedisServer.start(t, program)
    const proxy = await TcpProxy.start(t, server)
    const [broker, other] = [openBroker(t, proxy), openBroker(t, server)]
    const [recorder, complete] = [await record(broker, 'a'), await record(broker, 'b')]
    const { id } = await publish(broker, 'a', '0')
    await recorder.receives('0')
    proxy.disconnect()
    for (const text of ['1', '2', '3', '4']) await publish(other, 'a', text, { count: 2 })
    await publish(other, 'b', 'x')
    proxy.target = server.port
    await recorder.receivesBreak()
    const { lost, entries } = await broker.replay('a', id, 10)
    t.ok(lost)
    t.strictSame(entries.map(({ data }) => data), ['3', '4'])
    await complete.receives('x')
    t.equal(complete.breaks, 0)
    await publish(other, 'a', '5')
    await recorder.receives('0', '5')
    t.equal(recorder.breaks, 1)
  })
})
