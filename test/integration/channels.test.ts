import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import { constants, createGunzip } from 'node:zlib'
import compress from '@fastify/compress'
import { EventSource } from 'eventsource'
import { createParser } from 'eventsource-parser'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { injectSse } from 'fastify-sse-emitter/testing'
import { memoryBroker, type SseEmitter, type SseStreamOptions, type SseSubscribeOptions } from 'fastify-sse-emitter'
import { build, sleep, WARN } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'

/** Adds a route that subscribes to channels. @returns its emitters */
function addRoute (app: FastifyInstance, names: string[] = ['a'], options: SseSubscribeOptions = {}, stream: SseStreamOptions = {}): SseEmitter[] {
  const emitters: SseEmitter[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse(stream)
    emitters.push(emitter)
    await emitter.subscribe(names.map(name => app.sse.channel(name)), options)
    return emitter
  })
  return emitters
}

const texts = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, index) => String(from + index))

/** Connects, and reads events as they arrive. */
async function connect (url: URL | string, headers: Record<string, string> = {}) {
  const { request, response } = call(url, { headers })
  const message = await response
  const markers: string[] = []
  const data: string[] = []
  const parser = createParser({
    onEvent: event => {
      if (event.event?.startsWith('sse-') === true) markers.push(event.event)
      else data.push(event.data)
    }
  })
  message.setEncoding('utf8').on('data', chunk => { parser.feed(chunk) }).on('error', () => {})
  return {
    message,
    disconnect: () => { request.destroy() },
    markers,
    data,
    has: async (count: number) => { while (data.length < count) await sleep(1) }
  }
}

t.test('an EventSource that loses its connection repeatedly misses nothing', async t => {
  const { app, listen } = await build(t, { retry: 5 })
  const emitters = addRoute(app, ['a', 'b'])
  const source = new EventSource(await listen())
  t.teardown(() => source.close())
  const received: string[] = []
  source.onmessage = ({ data }) => { received.push(data) }
  await once(source as unknown as NodeJS.EventEmitter, 'open').catch(() => {})
  while (emitters.length === 0) await sleep(2)
  const [a, b] = [app.sse.channel('a'), app.sse.channel('b')]
  for (let count = 1; count <= 300; count++) {
    await (count % 3 === 0 ? b : a).publish(String(count))
    if (count % 50 === 0) app.sse.close()
    await sleep(1)
  }
  while (received.at(-1) !== '300') await sleep(5)
  t.strictSame(received, texts(1, 300))
  t.ok(emitters.length > 3, `${emitters.length} connections`)
})

t.test('a client resumes from its header, otherwise from its query parameter, otherwise from `from`', async t => {
  const { app, listen } = await build(t, { lastEventIdParameter: 'since' })
  addRoute(app, ['a'], { from: 'start' })
  const ids: string[] = []
  for (const text of texts(1, 4)) ids.push((await app.sse.channel('a').publish(text)).id)
  const url = await listen()
  const rows: Array<[query: string, headers: Record<string, string>, expected: string[]]> = [
    ['', {}, ['1', '2', '3', '4']],
    [`?since=${ids[1]}`, {}, ['3', '4']],
    [`?since=${ids[1]}`, { 'last-event-id': ids[2]! }, ['4']],
    ['?since=', { 'last-event-id': '' }, ['1', '2', '3', '4']],
    [`?lastEventId=${ids[1]}`, {}, ['1', '2', '3', '4']]
  ]
  for (const [query, headers, expected] of rows) {
    const client = await connect(new URL(query, url), headers)
    await client.has(expected.length)
    t.strictSame(client.data, expected, query)
    client.disconnect()
  }
})

t.test('`from` can be an id', async t => {
  const { app } = await build(t)
  const { id: first } = await app.sse.channel('a').publish('1')
  await app.sse.channel('a').publish('2')
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(app.sse.channel('a'), { from: first })
    emitter.complete()
  })
  const { events } = decode((await app.inject('/')).body)
  t.strictSame(events.map(({ event, data }) => event ?? data), ['sse-ready', '2'])
})

t.test('a last event id that is too long is answered with 400, whether or not the handler awaits subscribe()', async t => {
  const { app, logs } = await build(t)
  addRoute(app)
  app.get('/unawaited', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.subscribe(app.sse.channel('a'))
    return emitter
  })
  for (const url of ['/', '/unawaited']) {
    const response = await app.inject({ url, headers: { 'last-event-id': 'x'.repeat(1_025) } })
    t.equal(response.statusCode, 400)
    t.match(response.json(), { statusCode: 400, code: 'SSE_ERR_LAST_EVENT_ID', message: 'The last event id has 1025 characters; the maximum is 1024' })
  }
  t.equal(app.sse.size, 0)
  t.notOk(logs.some(({ msg }) => /ended|already/.test(msg)), 'the rejected handler is not logged again')
})

t.test('invalid channels and options end the stream with their error', async t => {
  const { app } = await build(t)
  const rows: Array<[unknown, object | undefined, string]> = [
    [[], undefined, 'SSE_ERR_OPTION'],
    [undefined, undefined, 'SSE_ERR_CHANNEL'],
    ['a', undefined, 'SSE_ERR_CHANNEL'],
    [{ name: 'a\nb' }, undefined, 'SSE_ERR_CHANNEL'],
    [{ name: 'a' }, { from: 5 }, 'SSE_ERR_OPTION'],
    [{ name: 'a' }, { filter: 'x' }, 'SSE_ERR_OPTION'],
    [{ name: 'a' }, { filters: 'x' }, 'SSE_ERR_OPTION']
  ]
  for (const [index, [channels, options]] of rows.entries()) {
    app.get(`/${index}`, async (_request, reply) => { await reply.sse().subscribe(channels as never, options) })
  }
  for (const [index, [, , code]] of rows.entries()) t.match((await app.inject(`/${index}`)).json(), { statusCode: 500, code })
})

t.test('a subscribed stream has the ids of its channels only', async t => {
  const { app, listen } = await build(t)
  const emitters = addRoute(app)
  const client = await connect(await listen())
  const [emitter] = emitters
  await t.rejects(emitter!.send('x', { id: '7' }), { code: 'SSE_ERR_EVENT', message: /subscribed to channels/ })
  await emitter!.send('mine')
  await app.sse.channel('a').publish('theirs')
  await client.has(2)
  t.strictSame(client.data, ['mine', 'theirs'])
  client.disconnect()
  await emitter!.closed
  await t.rejects(emitter!.subscribe(app.sse.channel('b')), { code: 'SSE_ERR_CLOSED' })
})

t.test('events that are sent and published in one turn keep their order', async t => {
  const { app, listen } = await build(t)
  const emitters = addRoute(app)
  const client = await connect(await listen())
  for (const count of texts(1, 3)) {
    emitters[0]!.send(`sent ${count}`)
    app.sse.channel('a').publish(`published ${count}`)
  }
  await client.has(6)
  t.strictSame(client.data, ['sent 1', 'sent 2', 'sent 3', 'published 1', 'published 2', 'published 3'])
  client.disconnect()
})

t.test('a heartbeat carries the position of a subscriber if it has advanced', async t => {
  const rows: Array<[SseSubscribeOptions, SseStreamOptions, string | undefined]> = [
    [{}, {}, 'sse-heartbeat'],
    [{}, { heartbeatEvent: 'ping' }, 'ping'],
    [{ markers: false }, { heartbeatEvent: 'ping' }, 'ping'],
    [{ markers: false }, {}, undefined]
  ]
  for (const [options, stream, type] of rows) {
    const { app, listen } = await build(t, { heartbeat: 60 })
    addRoute(app, ['a'], { filter: () => false, ...options }, stream)
    let text = ''
    const { request, response } = call(await listen())
    ;(await response).setEncoding('utf8').on('data', chunk => { text += chunk }).on('error', () => {})
    await sleep(100)
    const { id } = await app.sse.channel('a').publish('not wanted')
    while (!text.includes(`id:${id}\n`)) await sleep(5)
    await sleep(100)
    const { events } = decode(text)
    t.equal(text.split(`id:${id}\n`).length, 2, 'once')
    t.equal(events.find(event => event.id === id)?.event, type)
    if (type === undefined) t.equal(events.length, 0, 'without markers, the id is not part of an event')
    request.destroy()
  }
})

t.test('app.sse lists channels and subscribers', async t => {
  const { app, listen } = await build(t)
  addRoute(app, ['a', 'b'])
  t.strictSame(app.sse.channels(), [])
  const client = await connect(await listen())
  t.strictSame(app.sse.list().map(({ channels }) => channels), [['a', 'b']])
  t.strictSame(app.sse.channels(), [{ name: 'a', subscribers: 1 }, { name: 'b', subscribers: 1 }])
  t.equal(app.sse.channel('a').subscribers, 1)
  t.equal(app.sse.close(({ channels }) => channels.includes('b')), 1)
  await once(client.message, 'end')
  while (app.sse.size > 0) await sleep(2)
  t.strictSame(app.sse.channels(), [])
})

t.test('a client that reconnects after its stream expired misses nothing', async t => {
  const { app, listen } = await build(t, { retry: 5 })
  const reasons: string[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse({ expiresAt: Date.now() + 150 })
    emitter.onCompletion(reason => { reasons.push(reason) })
    await emitter.subscribe(app.sse.channel('a'))
    return emitter
  })
  const source = new EventSource(await listen())
  t.teardown(() => source.close())
  const received: string[] = []
  source.onmessage = ({ data }) => { received.push(data) }
  while (app.sse.size === 0) await sleep(2)
  for (let count = 1; count <= 60; count++) {
    await app.sse.channel('a').publish(String(count))
    await sleep(10)
  }
  while (received.length < 60) await sleep(5)
  t.strictSame(received, texts(1, 60))
  t.ok(reasons.length >= 2 && reasons.every(reason => reason === 'expired'), reasons.join())
})

t.test('a stalled client does not affect others, and catches up when it reads again', async t => {
  const { app, listen } = await build(t)
  addRoute(app)
  const url = await listen()
  const stalled = net.connect(Number(url.port), '127.0.0.1')
  stalled.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  await once(stalled, 'data')
  stalled.pause()
  let late = ''
  stalled.setEncoding('utf8').on('data', chunk => { late += chunk })
  stalled.pause()
  const others = await Promise.all(Array.from({ length: 5 }, async () => await connect(url)))
  const channel = app.sse.channel('a', { history: { count: 10_000, bytes: 100_000_000 } })
  for (let count = 1; count <= 900; count++) {
    await channel.publish(`${count} ${'x'.repeat(10_000)}`)
    await others[0]!.has(count)
  }
  for (const other of others) {
    await other.has(900)
    t.strictSame(other.data.map(text => text.split(' ')[0]), texts(1, 900))
  }
  const { queued, state } = app.sse.list()[0]!
  t.equal(state, 'open')
  t.ok(queued < 200_000, `${queued} bytes are queued for it`)
  stalled.resume()
  while (!late.includes('\ndata:900 ')) await sleep(5)
  const body = late.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, '')
  t.strictSame(decode(body).events.filter(({ event }) => event === undefined).map(({ data }) => data.split(' ')[0]), texts(1, 900))
  stalled.destroy()
})

t.test('a client that stalls for too long is dropped, and receives a gap when it reconnects', async t => {
  const { app, logs, listen } = await build(t, { stallTimeout: 300 })
  const emitters = addRoute(app)
  const url = await listen()
  const stalled = net.connect(Number(url.port), '127.0.0.1').pause()
  stalled.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  while (emitters.length === 0) await sleep(2)
  const { id } = await app.sse.channel('a').publish('first')
  const channel = app.sse.channel('a', { history: { count: 5 } })
  for (let count = 0; emitters[0]!.state !== 'closed'; count++) {
    await channel.publish('x'.repeat(100_000))
    await sleep(5)
  }
  t.equal(await emitters[0]!.closed, 'slow')
  stalled.destroy()
  const reconnected = await connect(url, { 'last-event-id': id })
  await reconnected.has(5)
  t.strictSame(reconnected.markers, ['sse-gap'])
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
  reconnected.disconnect()
})

t.test('a client that has fallen behind the history receives a complete response', async t => {
  const { app, listen } = await build(t)
  const emitters = addRoute(app)
  const url = await listen()
  const slow = net.connect(Number(url.port), '127.0.0.1').pause()
  slow.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  while (emitters[0]?.state !== 'open') await sleep(2)
  const channel = app.sse.channel('a', { history: { count: 2 } })
  for (let count = 0; count < 1_000; count++) {
    channel.publish('x'.repeat(10_000))
    if (count % 10 === 0) await sleep(1)
  }
  let text = ''
  slow.setEncoding('utf8').on('data', chunk => { text += chunk }).resume()
  t.equal(await emitters[0]!.closed, 'slow')
  while (!text.endsWith('0\r\n\r\n')) await sleep(5)
  t.pass('the response is complete')
  slow.destroy()
})

t.test('on HTTP/2, the stream of a stalled subscriber is reset, and its connection stays open', async t => {
  const { app, listen } = await build(t, { stallTimeout: 200 }, { http2: true } as object)
  const emitters = addRoute(app)
  const session = http2.connect(await listen())
  t.teardown(() => session.destroy())
  const stalled = session.request({ ':path': '/' })
  stalled.on('error', () => {})
  await once(stalled, 'response')
  stalled.pause()
  const other = session.request({ ':path': '/' })
  let text = ''
  other.setEncoding('utf8').on('data', chunk => { text += chunk })
  await once(other, 'response')
  for (let count = 1; emitters[0]!.state !== 'closed'; count++) {
    await app.sse.channel('a').publish(`${count} ${'x'.repeat(5_000)}`)
    await sleep(5)
  }
  t.equal(await emitters[0]!.closed, 'slow')
  if (!stalled.closed) await once(stalled, 'close')
  t.equal(stalled.rstCode, http2.constants.NGHTTP2_CANCEL)
  await app.sse.channel('a').publish('last')
  while (!text.includes('data:last\n')) await sleep(5)
  t.equal(emitters[1]!.state, 'open')
})

t.test('injected requests and compressed responses receive published events', async t => {
  const { app, listen } = await build(t)
  await app.register(compress, { customTypes: /event-stream/, zlibOptions: { flush: constants.Z_SYNC_FLUSH } })
  addRoute(app, ['a'], { from: 'start' })
  await app.sse.channel('a').publish('1')
  const { response, request } = call(await listen(), { headers: { 'accept-encoding': 'gzip' } })
  let text = ''
  ;(await response).on('error', () => {}).pipe(createGunzip()).setEncoding('utf8').on('data', chunk => { text += chunk }).on('error', () => {})
  const injected = await injectSse(app, { url: '/' })
  while (app.sse.channels()[0]?.subscribers !== 2) await sleep(2)
  await app.sse.channel('a').publish('2')
  t.strictSame((await injected.take(3)).map(({ data }) => data), ['{}', '1', '2'])
  while (!text.includes('data:2')) await sleep(5)
  t.strictSame(decode(text).events.map(({ data }) => data), ['{}', '1', '2'])
  request.destroy()
  await injected.leave()
})

t.test('if the broker rejects a subscription, the client receives an error response, or its open stream ends', async t => {
  const { app } = await build(t, { broker: memoryBroker({ maxChannels: 1 }) })
  addRoute(app, ['b'])
  await app.sse.channel('a').publish('1')
  app.get('/open', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.open()
    await emitter.subscribe(app.sse.channel('b'))
  })
  t.match((await app.inject('/')).json(), { statusCode: 503, code: 'SSE_ERR_BROKER_FULL' })
  const { events } = decode((await app.inject('/open')).body)
  t.match(events, [{ event: 'sse-error', data: '{"code":"SSE_ERR_BROKER_FULL","message":"The service is temporarily unavailable; try again later","retryable":true}' }])
  t.equal(app.sse.size, 0)
})

t.test('events published before a stream ends are delivered', async t => {
  const { app, listen } = await build(t)
  const emitters = addRoute(app)
  const url = await listen()
  for (const end of [() => emitters.at(-1)!.complete(), () => app.sse.close()]) {
    const client = await connect(url)
    app.sse.channel('a').publish('last')
    end()
    await once(client.message, 'end')
    t.strictSame(client.data, ['last'])
  }
})

t.test('a stream that is completed while its last event is published ends once', async t => {
  const { app, listen } = await build(t)
  const reasons: string[] = []
  let emitter: SseEmitter | undefined
  app.get('/', async (_request, reply) => {
    emitter = reply.sse()
    emitter.onCompletion(reason => { reasons.push(reason) })
    await emitter.subscribe(app.sse.channel('a'), { until: () => true })
    return emitter
  })
  const client = await connect(await listen())
  app.sse.channel('a').publish('last')
  emitter!.complete()
  await once(client.message, 'end')
  t.strictSame(client.data, ['last'])
  await emitter!.closed
  t.strictSame(reasons, ['complete'])
})

t.test('publishing rejects after the application has closed', async t => {
  const { app, listen } = await build(t)
  addRoute(app)
  const client = await connect(await listen())
  await app.sse.channel('a').publish('last')
  await app.close()
  await client.has(1)
  t.strictSame(client.data, ['last'])
  await t.rejects(app.sse.channel('a').publish('late'), { code: 'SSE_ERR_BROKER_CLOSED' })
})
