import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../../fixtures/eventually.ts'
import { suiteWith } from '../../fixtures/programs.ts'
import { record } from '../../fixtures/recorder.ts'
import { dataOf, openBroker, publish, publishEventually, UNAVAILABLE, UNKNOWN } from '../../fixtures/redis-broker.ts'
import { RedisServer } from '../../fixtures/redis-server.ts'
import { TcpProxy } from '../../fixtures/tcp-proxy.ts'

const PERSISTENT = ['--appendonly', 'yes', '--appendfsync', 'always']

suiteWith(t, 'redis-server', 'outages of Redis', async (t, program) => {
  t.test('while Redis is down, publishing rejects at once, and replays and subscriptions wait', async t => {
    const server = await RedisServer.start(t, program)
    await server.kill()
    const errors: Error[] = []
    const broker = openBroker(t, server, { onError: error => { errors.push(error) } })
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    const waiting = Promise.all([record(broker, 'a'), broker.replay('a', undefined, 10)])
    const start = performance.now()
    for (let times = 0; times < 100; times++) await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    t.ok(performance.now() - start < 30_000, 'publishing does not wait for its timeout of 2 s')
    await server.start()
    const [recorder, page] = await waiting
    t.strictSame(page.entries, [])
    await publishEventually(broker, 'a', 'back')
    await recorder.receives('back')
    t.equal(recorder.breaks, 0)
    t.equal(errors.length, new Set(errors.map(({ message }) => message)).size * 2, 'each connection reports each reason once')
  })

  t.test('if Redis is killed during a publication, the outcome is unknown and the event can be published again', async t => {
    const server = await RedisServer.start(t, program, ...PERSISTENT)
    const broker = openBroker(t, server)
    await publish(broker, 'a', 'before')
    server.pause()
    const publishing = publish(broker, 'a', 'x', { idempotencyKey: 'once' })
    const rejected = t.rejects(publishing, UNKNOWN)
    await sleep(20)
    await server.kill()
    await rejected
    await server.start()
    const { id } = await eventually(() => publish(broker, 'a', 'x', { idempotencyKey: 'once' }))
    const { entries } = await broker.replay('a', undefined, 10)
    t.strictSame(entries.map(({ data }) => data), ['before', 'x'])
    t.equal(entries[1]!.id, id)
  })

  t.test('if a reply is lost, publishing again with the same key does not publish twice', async t => {
    const server = await RedisServer.start(t, program)
    const proxy = await TcpProxy.start(t, server)
    const [broker, other] = [openBroker(t, proxy), openBroker(t, server)]
    const recorder = await record(other, 'a')
    await publish(broker, 'a', 'before')
    proxy.dropReplies = true
    const rejected = t.rejects(publish(broker, 'a', 'x', { idempotencyKey: 'once' }), UNKNOWN)
    await recorder.receives('before', 'x')
    proxy.cut()
    proxy.dropReplies = false
    await rejected
    const repeated = await eventually(() => publish(broker, 'a', 'x', { idempotencyKey: 'once' }))
    t.strictSame(repeated, { id: recorder.ids[1], repeated: true })
  })

  t.test('after a restart with its data, nothing is missed', async t => {
    const server = await RedisServer.start(t, program, ...PERSISTENT)
    const broker = openBroker(t, server)
    const [recorder, quiet] = [await record(broker, 'a'), await record(broker, 'quiet')]
    const { id } = await publish(broker, 'a', 'before')
    await server.kill()
    await server.start()
    await publishEventually(broker, 'a', 'after')
    await recorder.receives('before', 'after')
    t.strictSame([recorder.breaks, quiet.breaks], [0, 0])
    const { known, lost, entries } = await broker.replay('a', id, 10)
    t.strictSame([known, lost, entries.map(({ data }) => data)], [true, undefined, ['after']])
  })

  t.test('a Redis that does not reply times out, and everything continues when it replies again', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server, { timeout: 300 })
    const recorder = await record(broker, 'a')
    await publish(broker, 'a', 'before')
    server.pause()
    let ticks = 0
    const ticking = setInterval(() => { ticks++ }, 10)
    await t.rejects(publish(broker, 'a', 'x'), UNKNOWN)
    await t.rejects(publish(broker, 'a', 'x'), UNAVAILABLE)
    const replay = broker.replay('a', undefined, 10)
    clearInterval(ticking)
    t.not(ticks, 0, 'the event loop was not blocked')
    server.resume()
    await publishEventually(broker, 'a', 'after')
    await recorder.receives('before', 'x', 'after')
    t.ok((await replay).entries.length >= 1)
    t.equal(recorder.breaks, 0)
  })

  t.test('a Redis that is out of memory rejects events, and replays and subscriptions still work', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server)
    const recorder = await record(broker, 'a')
    await publish(broker, 'a', 'before')
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await t.rejects(publish(broker, 'a', 'x'), { ...UNAVAILABLE, detail: /OOM/, cause: { message: /OOM/ } })
    const { entries, clock } = await broker.replay('a', undefined, 10)
    t.strictSame(entries.map(({ data }) => data), ['before'])
    t.equal(clock, entries[0]!.id, 'no id was assigned')
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    await publish(broker, 'a', 'after')
    await recorder.receives('before', 'after')
  })

  t.test('scripts that Redis has forgotten are loaded again', async t => {
    const server = await RedisServer.start(t, program)
    const broker = openBroker(t, server)
    await publish(broker, 'a', '1')
    await server.command('SCRIPT', 'FLUSH')
    await Promise.all(['2', '3', '4'].map(text => publish(broker, 'a', text)))
    t.strictSame(await dataOf(broker, 'a'), ['1', '2', '3', '4'])
  })
})
