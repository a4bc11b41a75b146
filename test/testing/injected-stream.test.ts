import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SseEmitter } from 'fastify-sse-emitter'
import { injectSse, type InjectedStream, type InjectSseOptions } from 'fastify-sse-emitter/testing'
import { build, type TestApp } from '../fixtures/app.ts'
import { until } from '../fixtures/until.ts'

/** Injects a request to `/` of an application whose handler calls a function with its emitter. */
async function setup (t: Test, handle: (emitter: SseEmitter, app: FastifyInstance) => unknown, options: Partial<InjectSseOptions> = {}): Promise<TestApp & { stream: InjectedStream }> {
  const testApp = await build(t)
  testApp.app.get('/', async (_request, reply) => {
    await handle(reply.sse(), testApp.app)
    return reply
  })
  return { ...testApp, stream: await injectSse(testApp.app, { url: '/', ...options }) }
}

const dataOf = (events: Array<{ data: string }>): string => events.map(({ data }) => data).join('')

t.test('the events of a stream are read as they are sent', async t => {
  const { stream } = await setup(t, async emitter => {
    await emitter.send({ name: 'Ada' }, { event: 'greeting', id: 1, retry: 1_000 })
    await emitter.send('two\nlines')
    emitter.complete()
  })
  t.equal(stream.statusCode, 200)
  t.match(stream.headers['content-type'], /^text\/event-stream/)
  t.strictSame(await stream.next(), { event: 'greeting', data: '{"name":"Ada"}', id: '1' })
  t.strictSame(await stream.next(), { event: 'message', data: 'two\nlines', id: '1' })
  t.equal(await stream.next(), undefined)
  t.equal(await stream.next(), undefined)
  t.equal(stream.retry, 1_000)
})

t.test('comments are received without reading events', async t => {
  const { stream } = await setup(t, async emitter => {
    await emitter.comment('hello')
    await emitter.comment('there')
  })
  await until(() => stream.comments.length === 2, 'both comments are received')
  t.strictSame(stream.comments, ['hello', 'there'])
  t.equal(stream.retry, undefined)
  await stream.leave()
})

t.test('several events can be awaited', async t => {
  const { stream } = await setup(t, async emitter => {
    await emitter.sendAll(['a', 'b', 'c', 'd', 'e', 'f'])
    emitter.complete()
  })
  t.strictSame(await stream.take(0), [])
  t.equal(dataOf(await stream.take(2)), 'ab')
  t.equal(dataOf(await stream.until(({ data }) => data === 'd')), 'cd')
  const rest = []
  for await (const event of stream) rest.push(event)
  t.equal(dataOf(rest), 'ef')
})

t.test('reads that wait at once receive the events in order', async t => {
  const { stream, app } = await setup(t, (emitter, app) => emitter.subscribe(app.sse.channel('news'), { markers: false }))
  const reads = [stream.next(), stream.next(), stream.next(), stream.next()]
  for (const data of ['a', 'b', 'c']) await app.sse.channel('news').publish(data)
  t.match(await Promise.all(reads.slice(0, 3)), [{ data: 'a' }, { data: 'b' }, { data: 'c' }])
  await stream.leave()
  t.equal(await reads[3], undefined)
})

t.test('a stream that ends early rejects with its route, its reason and the events so far', async t => {
  const { stream } = await setup(t, async emitter => {
    await emitter.send('a', { event: 'tick' })
    throw new Error('Failed')
  }, { url: '/?x=1' })
  await t.rejects(stream.take(3), {
    message: "GET /?x=1: expected 3 events; the stream ended (error) after [ { event: 'tick', data: 'a', id: '' }, { event: 'sse-error', data: '{\"code\":\"INTERNAL_ERROR\",\"message\":\"An internal error occurred\",\"retryable\":false}', id: '' } ]"
  })
  await t.rejects(stream.until(() => true), { message: 'GET /?x=1: expected an event that matches; the stream ended (error) after []' })
})

t.test('an error thrown by the predicate is passed on, and the next event can be read', async t => {
  const { stream } = await setup(t, emitter => emitter.sendAll(['a', 'b']))
  await t.rejects(stream.until(({ data }) => { throw new Error(data) }), { message: 'a' })
  t.match(await stream.next(), { data: 'b' })
  await stream.leave()
})

t.test('a stream that is cut within an event ends after the complete ones', async t => {
  const { app } = await build(t)
  app.get('/', (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
    reply.raw.write('data: a\n\nid: 7\0\nunknown: 1\ndata: b\n\ndata: c\n')
    setImmediate(() => { reply.raw.destroy() })
  })
  const stream = await injectSse(app, { url: '/' })
  t.strictSame(await stream.take(2), [{ event: 'message', data: 'a', id: '' }, { event: 'message', data: 'b', id: '' }])
  t.equal(await stream.next(), undefined)
  t.equal(await stream.closed, 'client')
})

t.test('the body of another response can be read, and its events cannot', async t => {
  const { app } = await build(t)
  app.get('/json', async (_request, reply) => reply.code(401).send({ a: 1 }))
  app.get('/login', async (_request, reply) => reply.redirect('/'))
  app.get('/none', async (_request, reply) => reply.code(204).send())
  app.get('/fails', async (_request, reply) => {
    reply.sse()
    throw new Error('Failed')
  })
  const json = await injectSse(app, { url: '/json' })
  t.equal(json.statusCode, 401)
  const message = 'GET /json: the response is not an event stream; it has status 401 and application/json; charset=utf-8: {"a":1}'
  await t.rejects(json.next(), { message })
  await t.rejects(json.take(1), { message })
  t.equal(await json.body(), '{"a":1}')
  t.strictSame([json.comments, json.retry], [[], undefined])
  const login = await injectSse(app, { url: '/login' })
  t.strictSame([login.statusCode, login.headers.location], [302, '/'])
  const none = await injectSse(app, { url: '/none' })
  await t.rejects(none.next(), { message: 'GET /none: the response is not an event stream; it has status 204 and no content: ' })
  const fails = await injectSse(app, { url: '/fails' })
  t.equal(JSON.parse(await fails.body()).code, 'INTERNAL_ERROR')
})

t.test('the body of an event stream is not read as a whole', async t => {
  const { stream } = await setup(t, emitter => emitter.send('a'))
  await t.rejects(stream.body(), { message: 'GET /: the response is an event stream; read it with next()' })
  await stream.leave()
})

t.test('the response to a HEAD request has no events', async t => {
  const { stream } = await setup(t, emitter => emitter.send('a'), { method: 'HEAD' })
  t.equal(stream.statusCode, 200)
  t.equal(await stream.next(), undefined)
})

t.test('the events of a compressed stream are not read', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => {
    reply.header('content-encoding', 'gzip')
    await reply.sse().send('a')
    return reply
  })
  const stream = await injectSse(app, { url: '/' })
  await t.rejects(stream.next(), { message: 'GET /: the response is compressed with gzip; send no accept-encoding header' })
  await stream.leave()
})

t.test('a client reconnects with the id of the last event that was read', async t => {
  const { stream, app } = await setup(t, (emitter, app) => emitter.subscribe(app.sse.channel('news')))
  await stream.until(({ event }) => event === 'sse-ready')
  for (const data of ['a', 'b', 'c']) await app.sse.channel('news').publish(data)
  t.equal((await stream.next())?.data, 'a')
  await stream.leave()
  await stream.leave()
  t.equal(await stream.closed, 'client')
  t.equal(app.sse.size, 0)
  const again = await stream.comeBack()
  t.equal(dataOf(await again.take(3)), '{}bc')
  await again.leave()
})

t.test('a client that has read nothing reconnects with the id that it had', async t => {
  const { stream } = await setup(t, emitter => emitter.send(emitter.lastEventId ?? 'none'))
  await stream.leave()
  t.match(await stream.next(), { data: 'none' })
  t.match(await (await stream.comeBack()).next(), { data: 'none' })
  const { stream: resumed } = await setup(t, emitter => emitter.send(emitter.lastEventId ?? 'none'), { lastEventId: '7' })
  t.match(await (await resumed.comeBack()).next(), { data: '7' })
})

t.test('the id of the last event that was read can be sent with another request', async t => {
  const { stream, app } = await setup(t, async emitter => {
    await emitter.send(emitter.lastEventId ?? 'none', { id: '1' })
    await emitter.send('unread', { id: '2' })
  })
  t.equal(stream.lastEventId, undefined)
  await stream.next()
  t.equal(stream.lastEventId, '1')
  const other = await injectSse(app, { url: '/', headers: { authorization: 'Bearer new' }, lastEventId: stream.lastEventId })
  t.match(await other.next(), { data: '1' })
})

t.test('a client whose id was reset reconnects without one', async t => {
  const { stream } = await setup(t, async emitter => {
    await emitter.send(emitter.lastEventId ?? 'none', { id: '' })
    emitter.complete()
  }, { lastEventId: '7' })
  t.match(await stream.next(), { data: '7', id: '' })
  t.match(await (await stream.comeBack()).next(), { data: 'none' })
})

t.test('a client reconnects after the server has ended the stream', async t => {
  const { stream } = await setup(t, async emitter => {
    await emitter.send(emitter.lastEventId ?? 'none', { id: '1' })
    emitter.complete()
  })
  await stream.closed
  t.match(await stream.next(), { data: 'none' })
  t.match(await (await stream.comeBack()).next(), { data: '1' })
})

t.test('closing the application ends a stream that is open', async t => {
  const { stream, app } = await setup(t, emitter => emitter.send('a'))
  const end = t.rejects(stream.take(2), /the stream ended \(shutdown\)/)
  await app.close()
  await end
})
