import { once } from 'node:events'
import { EventSource } from 'eventsource'
import t from 'tap'
import { memoryBroker, type SseEmitter, type SseEntry, type SsePage, type SseReason } from 'fastify-sse-emitter'
import { Deferred } from '../../plugin/base/deferred.ts'
import { build, buildUnloaded } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { until } from '../fixtures/until.ts'

const RETURNED = { 'last-event-id': 'sse-end' }

t.test('an EventSource stops after the last event of complete()', async t => {
  const { app, listen } = await build(t)
  let calls = 0
  app.get('/', async (_request, reply) => {
    calls++
    const emitter = reply.sse({ retry: 1 })
    emitter.send('answer')
    emitter.complete({ event: 'end', data: 'bye' })
    return reply
  })
  const statuses: number[] = []
  app.addHook('onResponse', async (_request, reply) => { statuses.push(reply.statusCode) })
  const source = new EventSource(await listen())
  t.teardown(() => source.close())
  const ended = once(source, 'end')
  await new Promise<void>(resolve => {
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve() }
  })
  t.match(await ended, [{ data: 'bye', lastEventId: 'sse-end' }])
  t.equal(calls, 1)
  t.strictSame(statuses, [200, 204])
})

for (const [when, register] of [['after', build], ['before', async (...args: Parameters<typeof build>) => buildUnloaded(...args)]] as const) {
  t.test(`a client that reconnects to a route declared ${when} the plugin was loaded receives 204, and no source is started`, async t => {
    const { app, listen } = await register(t)
    const reasons: SseReason[] = []
    let asked = 0
    app.route({
      method: ['GET', 'POST'],
      url: '/',
      handler: async (_request, reply) => {
        const emitter = reply.sse()
        emitter.onCompletion(reason => { reasons.push(reason) })
        await emitter.sendAll(() => {
          asked++
          return ['answer']
        })
        emitter.complete({ event: 'end' })
        return reply
      }
    })
    const url = await listen()
    const { status, body } = await call(url).readAll()
    t.equal(status, 200)
    t.strictSame(decode(body).events.map(({ data, id }) => [data, id]), [['answer', undefined], ['', 'sse-end']])
    const requests = [[url, { headers: RETURNED }], [new URL('/?lastEventId=sse-end', url), {}], [url, { headers: RETURNED, method: 'POST' }]] as const
    for (const [requested, options] of requests) {
      const returned = await call(requested, options).readAll()
      t.equal(returned.status, 204)
      t.equal(returned.body, '')
    }
    t.equal(asked, 1)
    t.ok(reasons.every(reason => reason === 'complete'))
    t.equal(app.sse.size, 0)
  })
}

t.test('a client that reconnects has to pass the hooks of the route first', async t => {
  const { app } = await build(t)
  app.get('/', { preHandler: async (_request, reply) => await reply.code(401).send() }, async (_request, reply) => {
    reply.sse().complete({})
    return reply
  })
  t.equal((await app.inject({ url: '/', headers: RETURNED })).statusCode, 401)
})

t.test('an EventSource stops after the event for which `until` returned true', async t => {
  const { app, listen } = await build(t)
  const news = app.sse.channel('news')
  let calls = 0
  app.get('/', async (_request, reply) => {
    calls++
    const emitter = reply.sse({ retry: 1 })
    await emitter.subscribe(news, { from: 'start', until: ({ event }) => event === 'end' })
    return reply
  })
  await news.publish('first')
  const source = new EventSource(await listen())
  t.teardown(() => source.close())
  const received: string[] = []
  source.onmessage = ({ data }) => { received.push(data) }
  const stopped = new Promise<void>(resolve => {
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve() }
  })
  await once(source, 'message')
  await news.publish('bye', { event: 'end' })
  await news.publish('after the end')
  await stopped
  t.strictSame(received, ['first'])
  t.equal(calls, 2)
})

t.test('an EventSource stops after its last event, even if the stream opens while the event is looked up', async t => {
  const { app, listen } = await build(t)
  const news = app.sse.channel('news')
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse({ retry: 1 })
    emitter.subscribe(news, { from: 'start', until: ({ event }) => event === 'end' }).catch(() => {})
    emitter.send('welcome')
    return reply
  })
  const statuses: number[] = []
  app.addHook('onResponse', async (_request, reply) => { statuses.push(reply.statusCode) })
  await news.publish('bye', { event: 'end' })
  const source = new EventSource(await listen())
  t.teardown(() => source.close())
  await new Promise<void>(resolve => {
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve() }
  })
  t.strictSame(statuses, [200, 200, 204])
})

t.test('events that were published before complete() precede its last event', async t => {
  const { app, listen } = await build(t)
  const news = app.sse.channel('news')
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(news, { markers: false })
    for (const data of ['first', 'second']) news.publish(data)
    emitter.complete({ event: 'end' })
    return reply
  })
  const { events } = decode((await call(await listen()).readAll()).body)
  t.strictSame(events.map(({ event, data }) => [event, data]), [[undefined, 'first'], [undefined, 'second'], ['end', '']])
  t.equal(events.at(-1)!.id, 'sse-end')
})

t.test('a callback that ends the stream ends it after the events that it has let through, and nothing follows', async t => {
  const { app, listen } = await build(t)
  const news = app.sse.channel('news')
  const ways: Record<string, (emitter: SseEmitter) => void> = {
    complete: emitter => { emitter.complete({ event: 'end' }) },
    fail: emitter => { emitter.completeWithError(new Error('failed')) },
    close: () => { app.sse.close() }
  }
  app.get<{ Params: { way: string } }>('/:way', async ({ params }, reply) => {
    const emitter = reply.sse()
    const filter = ({ data }: SseEntry): boolean => {
      if (data === 'second') ways[params.way]!(emitter)
      return true
    }
    await emitter.subscribe(news, { markers: false, filter })
    for (const data of ['first', 'second', 'third']) news.publish(data)
    return reply
  })
  const url = await listen()
  for (const [way, last] of [['complete', ['end']], ['fail', ['sse-error']], ['close', []]] as const) {
    const { body } = await call(new URL(`/${way}`, url)).readAll()
    t.strictSame(decode(body).events.map(({ event, data }) => event ?? data), ['first', ...last])
  }
})

t.test('the error that ends a stream follows what was published before', async t => {
  const { app, listen } = await build(t)
  const news = app.sse.channel('news')
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(news)
    news.publish('before')
    emitter.completeWithError(new Error('failed'))
    return reply
  })
  const { body } = await call(await listen()).readAll()
  t.strictSame(decode(body).events.map(({ event, data }) => event ?? data), ['sse-ready', 'before', 'sse-error'])
})

t.test('no subscription remains if the client disconnects while its last event is looked up', async t => {
  const broker = memoryBroker()
  const answered = new Deferred<SsePage>()
  const { app, listen } = await build(t, { broker })
  const news = app.sse.channel('news')
  const { id } = await news.publish('not the last')
  const page = await broker.replay('news', undefined, 1)
  broker.replay = () => answered.promise
  const subscribed = new Deferred<unknown>()
  const closed = new Deferred<SseReason>()
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.onCompletion(reason => { closed.resolve(reason) })
    emitter.subscribe(news, { until: ({ data }) => data === 'last' }).catch(error => { subscribed.resolve(error) })
    return reply
  })
  const { request } = call(await listen(), { headers: { 'last-event-id': id } })
  request.on('error', () => {})
  await until(() => app.sse.size === 1, 'the stream exists')
  request.destroy()
  t.equal(await closed.promise, 'client')
  answered.resolve(page)
  t.match(await subscribed.promise, { code: 'SSE_ERR_CLOSED', reason: 'client' })
  t.strictSame(app.sse.channels(), [])
})
