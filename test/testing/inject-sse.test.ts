import { Readable } from 'node:stream'
import t from 'tap'
import { injectSse } from 'fastify-sse-emitter/testing'
import { build } from '../fixtures/app.ts'

/** Yields one chunk, and never ends. */
async function * endless (): AsyncGenerator<string, void, undefined> {
  yield 'a'
  await new Promise(() => {})
}

t.test('the request has the method, headers and payload that are given', async t => {
  const { app } = await build(t)
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, async (_request: unknown, body: string) => body)
  app.post('/', async ({ body, headers }, reply) => {
    const emitter = reply.sse()
    await emitter.send({ body, type: headers['content-type'], length: headers['content-length'], cookie: headers.cookie })
    emitter.complete()
    return reply
  })
  const echo = async (payload: string | object | null | undefined, headers: Record<string, string> = {}): Promise<unknown> => {
    const stream = await injectSse(app, { url: '/', method: 'POST', headers, ...payload !== undefined && { payload: payload! } })
    return JSON.parse((await stream.take(1))[0]!.data)
  }
  t.strictSame(await echo({ name: 'Ada' }, { Cookie: 'a=b' }), { body: { name: 'Ada' }, type: 'application/json', length: '14', cookie: 'a=b' })
  t.strictSame(await echo('é', { 'Content-Type': 'text/csv' }), { body: 'é', type: 'text/csv', length: '2' })
  t.strictSame(await echo(Buffer.from('é'), { 'content-type': 'text/csv' }), { body: 'é', type: 'text/csv', length: '2' })
  t.strictSame(await echo(Readable.from(['a', 'b']), { 'content-type': 'text/csv' }), { body: 'ab', type: 'text/csv' })
  for (const none of [undefined, null]) t.strictSame(await echo(none), {})
})

t.test('a payload may be a form', async t => {
  const { app } = await build(t)
  app.addContentTypeParser('multipart/form-data', { parseAs: 'string' }, async (_request: unknown, body: string) => body)
  app.post('/', async ({ body }) => body)
  const payload = new FormData()
  payload.set('name', 'Ada')
  const stream = await injectSse(app, { url: '/', method: 'POST', payload })
  t.match(await stream.body(), /form-data; name="name"\r\n\r\nAda\r\n/)
})

t.test('a stream that was read before is rejected as a payload', async t => {
  const { app } = await build(t)
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, async (_request: unknown, body: string) => body)
  app.post('/', async ({ body }, reply) => {
    const emitter = reply.sse()
    await emitter.send(body)
    emitter.complete()
    return reply
  })
  const stream = await injectSse(app, { url: '/', method: 'POST', headers: { 'content-type': 'text/csv' }, payload: Readable.from(['a']) })
  t.match(await stream.next(), { data: 'a' })
  await t.rejects(stream.comeBack(), { code: 'SSE_ERR_OPTION' })
})

t.test('the last event id is sent as browsers send it', async t => {
  const { app } = await build(t)
  app.get('/', async ({ headers }, reply) => {
    const emitter = reply.sse()
    await emitter.send([emitter.lastEventId, headers['x-a']])
    emitter.complete()
    return reply
  })
  const stream = await injectSse(app, { url: '/', headers: { 'Last-Event-ID': '1', 'X-A': 'b' }, lastEventId: 'naïve ☃' })
  t.strictSame(await stream.next(), { event: 'message', data: '["naïve ☃","b"]', id: 'naïve ☃' })
})

t.test('a signal that is aborted before the request rejects, and nothing is sent', async t => {
  const { app } = await build(t)
  app.get('/', async () => { t.fail('the handler was called') })
  const reason = new Error('Not now')
  await t.rejects(injectSse(app, { url: '/', signal: AbortSignal.abort(reason) }), reason)
})

t.test('a signal that is aborted before the stream opens rejects, and the client disconnects', async t => {
  const { app } = await build(t)
  const controller = new AbortController()
  const reasons: string[] = []
  app.get('/', (_request, reply) => {
    reply.sse().onCompletion(reason => { reasons.push(reason) })
    controller.abort(new Error('Too slow'))
  })
  await t.rejects(injectSse(app, { url: '/', signal: controller.signal }), { message: 'Too slow' })
  t.strictSame(reasons, ['client'])
})

t.test('a signal that is aborted later disconnects the client', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => reply.sse())
  app.get('/text', (_request, reply) => { reply.send(Readable.from(endless())) })
  for (const url of ['/', '/text']) {
    const controller = new AbortController()
    const stream = await injectSse(app, { url, signal: controller.signal })
    controller.abort()
    t.equal(await stream.closed, 'client', url)
  }
})

t.test('a rejection of app.inject() is passed on', async t => {
  const { app } = await build(t)
  app.addHook('onReady', async () => { throw new Error('Not ready') })
  await t.rejects(injectSse(app, { url: '/', signal: new AbortController().signal }), /Not ready/)
})

t.test('streams that have ended leave no listeners', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => reply.sse())
  app.get('/json', async () => ({}))
  const listeners = new Set<unknown>()
  const signal = new AbortController().signal
  const { addEventListener, removeEventListener } = signal
  t.intercept(signal, 'addEventListener', { value: (type: string, listener: () => void) => { listeners.add(listener); addEventListener.call(signal, type, listener) } })
  t.intercept(signal, 'removeEventListener', { value: (type: string, listener: () => void) => { listeners.delete(listener); removeEventListener.call(signal, type, listener) } })
  for (let index = 0; index < 50; index++) {
    await (await injectSse(app, { url: '/', signal })).leave()
    await (await injectSse(app, { url: '/json', signal })).closed
  }
  t.equal(listeners.size, 0)
})
