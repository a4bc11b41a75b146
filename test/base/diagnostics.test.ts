import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect } from 'node:http2'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import sse, { memoryBroker, type SseDiagnostics } from 'fastify-sse-emitter'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { record } from '../fixtures/diagnostics.ts'
import { until } from '../fixtures/until.ts'

t.test('streams report that they open and close', async t => {
  const [opened, closed] = [record(t, 'fastify-sse-emitter:stream:open'), record(t, 'fastify-sse-emitter:stream:close')]
  const { app, logs } = await build(t, { connectionKey: () => 'a key' })
  app.get('/events/:id', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send('x')
    emitter.complete()
    return reply
  })
  app.get('/refused', async (_request, reply) => {
    reply.sse()
    throw new Error('Refused')
  })
  await app.inject({ url: '/events/5', headers: { 'last-event-id': '7' } })
  await app.inject('/refused')
  t.strictSame(opened.map(({ key, lastEventId }) => [key, lastEventId]), [['a key', '7']])
  const [{ request, reply }] = opened as [SseDiagnostics['fastify-sse-emitter:stream:open']]
  t.match([request.params, reply.statusCode], [{ id: '5' }, 200])
  t.ok(closed[0]!.request === request && closed[0]!.reply === reply)
  t.match(closed.map(({ request, reply, ...end }) => end), [
    { reason: 'complete', events: 1, bytes: 8, duration: Number },
    { reason: 'error', events: 0, bytes: 0, duration: undefined }
  ])
  t.match(logs.find(({ msg }) => msg === 'event stream closed'), { reqId: String, sse: { reason: 'complete', key: 'a key', route: '/events/:id' } })
})

t.test('a stream reports that its client is slow', async t => {
  const slow = record(t, 'fastify-sse-emitter:stream:slow')
  const { app, listen } = await build(t, { maxBuffered: 64 * 1024 * 1024, stallTimeout: 2_000 })
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    // More than the buffers of the operating system hold.
    for (let sent = 0; sent < 30; sent++) emitter.send('x'.repeat(1_000_000))
    return reply
  })
  const { request, response } = call(await listen())
  await response
  await until(() => slow.length > 0, 'the client is reported as slow')
  t.ok(slow[0]!.queued > 0)
  request.destroy()
})

t.test('channels report successful and failed publications, and missed events', async t => {
  const [published, gaps] = [record(t, 'fastify-sse-emitter:channel:publish'), record(t, 'fastify-sse-emitter:channel:gap')]
  const { app } = await build(t)
  const news = app.sse.channel('news')
  const { id } = await news.publish('x', { idempotencyKey: 'k' })
  await news.publish('x', { idempotencyKey: 'k' })
  await t.rejects(news.publish('y', { idempotencyKey: 'k' }), { code: 'SSE_ERR_IDEMPOTENCY_KEY' })
  t.match(published, [
    { channel: 'news', id, repeated: false, duration: Number, error: undefined },
    { id, repeated: true },
    { id: undefined, error: { code: 'SSE_ERR_IDEMPOTENCY_KEY' } }
  ])
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(news)
    emitter.complete()
    return reply
  })
  await app.inject({ url: '/', headers: { 'last-event-id': 'unknown' } })
  await app.inject('/')
  t.strictSame(gaps.map(({ channels, reset }) => [channels, reset]), [[['news'], true]])
})

t.test('each stream reports once that it closed, and that it opened if it did', async t => {
  const [opened, closed] = [record(t, 'fastify-sse-emitter:stream:open'), record(t, 'fastify-sse-emitter:stream:close')]
  const { app, listen } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.send('x')
    emitter.complete()
    return reply
  })
  app.get('/run', async (_request, reply) => {
    const { run } = await app.sse.runs.start('a', () => ['x'])
    run.watch(reply.sse())
    return reply
  })
  const url = await listen()
  const ends = async (expected: { opened: number, events: number }): Promise<void> => {
    await until(() => app.sse.size === 0, 'the stream is closed')
    t.strictSame(closed.splice(0).map(({ reason, events, duration }) => ({ reason, events, opened: duration === undefined ? 0 : 1 })), [{ reason: 'complete', ...expected }])
    t.equal(opened.splice(0).length, expected.opened)
  }
  await app.inject('/')
  await ends({ opened: 1, events: 1 })
  await fetch(url, { method: 'HEAD' })
  await ends({ opened: 0, events: 0 })
  const last = decode((await app.inject('/run')).body).events.at(-1)!
  await ends({ opened: 1, events: 2 })
  const again = await app.inject({ url: '/run', headers: { 'last-event-id': last.id! } })
  t.equal(again.statusCode, 204)
  await ends({ opened: 0, events: 0 })
})

for (const refuse of ['status', 'retry'] as const) {
  t.test(`a stream that is refused by ${refuse} is reported, and neither opens nor closes`, async t => {
    const [refused, opened, closed] = [record(t, 'fastify-sse-emitter:stream:refuse'), record(t, 'fastify-sse-emitter:stream:open'), record(t, 'fastify-sse-emitter:stream:close')]
    const { app } = await build(t, { refuse, connectionKey: () => 'a key', maxConnectionsPerKey: 1 })
    app.get('/', async (_request, reply) => {
      await reply.sse().send('x')
      return reply
    })
    const client = new AbortController()
    const first = await app.inject({ url: '/', payloadAsStream: true, signal: client.signal })
    first.stream().on('error', () => {})
    await app.inject('/?refused')
    await app.inject({ url: '/?unacceptable', headers: { accept: 'text/html' } })
    t.strictSame(refused.map(({ request, reply, key, error }) => [request.url, reply.request === request, key, error.code]), [
      ['/?refused', true, 'a key', 'SSE_ERR_FULL_FOR_KEY'],
      ['/?unacceptable', true, undefined, 'SSE_ERR_NOT_ACCEPTABLE']
    ])
    t.strictSame([opened.length, closed.length], [1, 0])
    client.abort()
    await until(() => app.sse.size === 0, 'the stream is closed')
  })
}

t.test('a subscriber that throws does not stop a stream', async t => {
  const errors: unknown[] = []
  const listener = (): void => { throw new Error('Subscriber') }
  subscribe('fastify-sse-emitter:stream:open', listener)
  subscribe('fastify-sse-emitter:stream:close', listener)
  process.setUncaughtExceptionCaptureCallback(error => { errors.push(error.message) })
  t.teardown(() => {
    unsubscribe('fastify-sse-emitter:stream:open', listener)
    unsubscribe('fastify-sse-emitter:stream:close', listener)
    process.setUncaughtExceptionCaptureCallback(null)
  })
  const { app } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send('x')
    emitter.complete()
    return reply
  })
  t.match(decode((await app.inject('/')).body).events, [{ data: 'x' }])
  await until(() => app.sse.size === 0, 'the stream is closed')
  await until(() => errors.length === 2, 'Node.js reports the errors')
})

t.test('publications are reported with the time that the broker took, including invalid ones', async t => {
  const published = record(t, 'fastify-sse-emitter:channel:publish')
  const broker = memoryBroker()
  const publish = broker.publish.bind(broker)
  // What the broker does before it returns a promise counts.
  broker.publish = (...args) => {
    for (const start = performance.now(); performance.now() < start + 5;);
    return publish(...args)
  }
  const { app } = await build(t, { broker })
  await app.sse.channel('news').publish('x')
  await t.rejects(app.sse.channel('news').publish('x', { event: 'a\nb' }), { code: 'SSE_ERR_EVENT' })
  t.ok(published[0]!.duration >= 5)
  t.match(published[1], { channel: 'news', id: undefined, error: { code: 'SSE_ERR_EVENT' } })
})

t.test('a gap names the channel that has it, even if the stream is subscribed to others', async t => {
  const gaps = record(t, 'fastify-sse-emitter:channel:gap')
  const { app } = await build(t)
  const [full, trimmed] = [app.sse.channel('full'), app.sse.channel('trimmed', { history: { count: 1 } })]
  const { id } = await trimmed.publish('1')
  for (const data of ['2', '3']) await trimmed.publish(data)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(full)
    await emitter.subscribe(trimmed)
    emitter.complete()
    return reply
  })
  await app.inject({ url: '/', headers: { 'last-event-id': id } })
  t.strictSame(gaps.map(({ channels, reset }) => [channels, reset]), [[['trimmed'], false]])
})

t.test('a stream over HTTP/2 whose client disconnects is reported once', async t => {
  const [opened, closed] = [record(t, 'fastify-sse-emitter:stream:open'), record(t, 'fastify-sse-emitter:stream:close')]
  const { app, listen } = await build(t, {}, { http2: true } as object)
  app.get('/', async (_request, reply) => {
    await reply.sse().send('x')
    return reply
  })
  const session = connect(await listen())
  const request = session.request({ ':path': '/' })
  await once(request, 'data')
  request.close()
  await until(() => closed.length > 0, 'the stream is closed')
  session.close()
  t.strictSame(closed.map(({ reason, events, bytes }) => [reason, events, bytes]), [['client', 1, 8]])
  t.equal(opened.length, 1)
})

t.test('a stream whose response a hook replaces by an error reports that it closed, and not that it opened', async t => {
  const [opened, closed] = [record(t, 'fastify-sse-emitter:stream:open'), record(t, 'fastify-sse-emitter:stream:close')]
  const { app } = await build(t)
  app.addHook('onSend', async () => { throw new Error('Refused') })
  app.get('/', async (_request, reply) => {
    reply.sse().send('x')
    return reply
  })
  t.equal((await app.inject('/')).statusCode, 500)
  await until(() => closed.length > 0, 'the stream is closed')
  t.strictSame(closed.map(({ reason, events, duration }) => [reason, events, duration]), [['error', 0, undefined]])
  t.equal(opened.length, 0)
})

t.test('messages identify the sibling scope of a stream', async t => {
  const closed = record(t, 'fastify-sse-emitter:stream:close')
  const app = fastify()
  t.teardown(() => app.close())
  const scopes: FastifyInstance[] = []
  for (const prefix of ['/a', '/b']) {
    app.register(async scope => {
      await scope.register(sse)
      scopes.push(scope)
      scope.get('/', async (_request, reply) => {
        const emitter = reply.sse()
        await emitter.send('x')
        emitter.complete()
        return reply
      })
    }, { prefix })
  }
  await app.inject('/a/')
  await app.inject('/b/')
  await until(() => closed.length > 1, 'the streams are closed')
  t.strictSame(closed.map(({ request }) => scopes.indexOf(request.server)), [0, 1])
})
