import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t, { type Test } from 'tap'
import type { SseDiagnostics } from 'fastify-sse-emitter'
import { build } from '../fixtures/app.ts'
import { call } from '../fixtures/client.ts'
import { until } from '../fixtures/until.ts'

/** Records the messages of a diagnostics channel until the end of the test. */
function record<Name extends keyof SseDiagnostics> (t: Test, name: Name): Array<SseDiagnostics[Name]> {
  const messages: Array<SseDiagnostics[Name]> = []
  const listener = (message: unknown): void => { messages.push(message as SseDiagnostics[Name]) }
  subscribe(name, listener)
  t.teardown(() => unsubscribe(name, listener))
  return messages
}

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
  t.match(opened, [{ key: 'a key', lastEventId: '7' }])
  const [{ request, reply }] = opened as [SseDiagnostics['fastify-sse-emitter:stream:open']]
  t.match([request.params, reply.statusCode], [{ id: '5' }, 200])
  t.match(closed, [{ request, reply, reason: 'complete', events: 1, bytes: 8, duration: Number }, { reason: 'error', events: 0, duration: undefined }])
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

t.test('channels report publications, also those that fail, and missed events', async t => {
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
  t.match(gaps, [{ channels: ['news'], reset: true }])
  t.equal(gaps.length, 1)
})

t.test('runs report that they start and end', async t => {
  const [started, ended] = [record(t, 'fastify-sse-emitter:run:start'), record(t, 'fastify-sse-emitter:run:end')]
  const { app } = await build(t)
  const { run } = await app.sse.runs.start('a', async function * () {
    yield 'x'
    return { tokens: 1 }
  })
  await until(() => run.state === 'done', 'the run is done')
  t.match(started, [{ id: 'a' }])
  t.match(ended, [{ id: 'a', state: 'done', data: '{"tokens":1}', events: 1, duration: Number }])
  t.equal(ended.length, 1)
})
