import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SseEmitter, SseReason } from 'fastify-sse-emitter'
import { build, NO_HANDLER_TIMEOUT, sleep, WARN, type LogLine } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { until } from '../fixtures/until.ts'
import { processWarnings } from '../fixtures/warnings.ts'

const tls = {
  key: readFileSync(new URL('../fixtures/tls/key.pem', import.meta.url)),
  cert: readFileSync(new URL('../fixtures/tls/cert.pem', import.meta.url))
}

process.on('warning', warning => { throw warning })

interface Routes {
  emitters: SseEmitter[]
  reasons: SseReason[]
}

/** Adds a route that sends three events one by one, and a route whose streams stay open. */
function addRoutes (app: FastifyInstance): Routes {
  const emitters: SseEmitter[] = []
  const reasons: SseReason[] = []
  const note = (emitter: SseEmitter): void => {
    emitters.push(emitter)
    emitter.onCompletion(reason => { reasons.push(reason) })
  }
  app.all('/three', async (_request, reply) => {
    const emitter = reply.sse()
    note(emitter)
    emitter.sendAll(async function * () {
      for (const text of ['one', 'zwei, größer', '三😀']) {
        yield text
        await sleep(10)
      }
    }).then(() => emitter.complete(), () => {})
    return emitter
  })
  app.all('/endless', async (_request, reply) => {
    const emitter = reply.sse()
    note(emitter)
    await emitter.send('hello')
    return emitter
  })
  return { emitters, reasons }
}

const THREE = 'data:one\n\ndata:zwei, größer\n\ndata:三😀\n\n'

function noWarnings (t: Test, logs: LogLine[]): void {
  t.strictSame(logs.filter(({ level }) => level >= WARN), [], 'no warnings are logged')
}

t.test('HTTP/2', async t => {
  for (const secure of [false, true]) {
    t.test(secure ? 'with TLS' : 'without TLS', async t => {
      const { app, logs, listen } = await build(t, {}, { http2: true, ...secure && { https: tls } } as object)
      const { reasons } = addRoutes(app as unknown as FastifyInstance)
      const url = await listen()
      const session = http2.connect(url, { rejectUnauthorized: false })
      t.teardown(() => session.destroy())

      const stream = session.request({ ':path': '/three' })
      const [headers] = await once(stream, 'response') as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]
      t.equal(headers[':status'], 200)
      t.equal(headers['content-type'], 'text/event-stream; charset=utf-8')
      for (const name of ['connection', 'keep-alive', 'transfer-encoding']) t.notOk(name in headers, name)
      let body = ''
      for await (const chunk of stream.setEncoding('utf8')) body += chunk
      t.equal(body, THREE)

      const left = session.request({ ':path': '/endless' })
      await once(left, 'data')
      left.close(http2.constants.NGHTTP2_CANCEL)
      const other = session.request({ ':path': '/three' })
      body = ''
      for await (const chunk of other.setEncoding('utf8')) body += chunk
      t.equal(body, THREE, 'other streams of the connection stay open')
      t.strictSame(reasons, ['complete', 'client', 'complete'])
      t.equal(app.sse.size, 0)

      const head = session.request({ ':path': '/endless', ':method': 'HEAD' })
      const [answer] = await once(head, 'response') as [http2.IncomingHttpStatusHeader]
      t.equal(answer[':status'], 200)
      head.resume()
      await once(head, 'close')
      await until(() => app.sse.size === 0, 'no stream is left')
      noWarnings(t, logs)
    })
  }

  t.test('a stalled stream is reset, and its connection stays open', async t => {
    const { app, logs, listen } = await build(t, { maxBuffered: 65_536, stallTimeout: 200 }, { http2: true } as object)
    const { reasons, emitters } = addRoutes(app)
    const session = http2.connect(await listen())
    t.teardown(() => session.destroy())
    for (const how of ['overflow', 'stall']) {
      const stalled = session.request({ ':path': '/endless' })
      stalled.on('error', () => {})
      await once(stalled, 'response')
      stalled.pause()
      const emitter = emitters.at(-1)!
      if (how === 'overflow') while (emitter.state === 'open') emitter.send('x'.repeat(10_000)).catch(() => {})
      else for (let sent = 0; sent < 12; sent++) emitter.send('x'.repeat(10_000)).catch(() => {})
      t.equal(await emitter.closed, 'slow', how)
      if (!stalled.closed) await once(stalled, 'close')
      t.equal(stalled.rstCode, http2.constants.NGHTTP2_CANCEL)
    }
    const stream = session.request({ ':path': '/three' })
    let body = ''
    for await (const chunk of stream.setEncoding('utf8')) body += chunk
    t.equal(body, THREE)
    t.strictSame(reasons, ['slow', 'slow', 'complete'])
    noWarnings(t, logs)
  })
})

t.test('HTTPS', async t => {
  const { app, logs, listen } = await build(t, {}, { https: tls } as object)
  const { reasons } = addRoutes(app)
  const url = await listen()
  const request = https.get(new URL('/three', url), { agent: false, ca: tls.cert })
  const [response] = await once(request, 'response')
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  t.equal(body, THREE)
  await until(() => reasons.length > 0, 'the stream is closed')
  t.strictSame(reasons, ['complete'])
  noWarnings(t, logs)
})

t.test('on HTTP/1.0, the end of the stream is the end of the connection', async t => {
  const { app, logs, listen } = await build(t)
  const { reasons } = addRoutes(app)
  const { port } = await listen()
  const socket = net.connect(Number(port), '127.0.0.1').setEncoding('utf8')
  socket.write('GET /three HTTP/1.0\r\nhost: x\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  const [head, ...body] = text.split('\r\n\r\n')
  t.match(head, /^HTTP\/1\.1 200 OK\r\n/)
  t.notMatch(head, /transfer-encoding/i)
  t.equal(body.join(), THREE)
  t.strictSame(reasons, ['complete'])
  noWarnings(t, logs)
})

t.test('a stream that is pipelined behind another is refused, and the responses arrive in order', async t => {
  const { app, logs, listen } = await build(t)
  const { reasons } = addRoutes(app)
  app.get('/plain', async () => 'plain')
  const { port } = await listen()
  const socket = net.connect(Number(port), '127.0.0.1').setEncoding('utf8')
  const request = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`
  socket.write(request('/three') + request('/three') + request('/plain', 'connection: close\r\n'))
  let text = ''
  for await (const chunk of socket) text += chunk
  const [, stream, refused, plain] = text.split('HTTP/1.1 ')
  t.equal(unchunk(stream!.slice(stream!.indexOf('\r\n\r\n') + 4)), THREE)
  t.match(refused, /^429 .*\r\nretry-after: \d+\r\n.*"code":"SSE_ERR_FULL_FOR_CONNECTION"/s)
  t.match(plain, /^200 .*plain$/s)
  t.strictSame(reasons, ['complete'])
  noWarnings(t, logs)
})

t.test('a client that pipelines streams takes one place, which is free at once when it disconnects', async t => {
  const warnings = processWarnings(t)
  const { app, listen } = await build(t, { maxConnections: 6, heartbeat: 0 })
  const { emitters } = addRoutes(app)
  const url = await listen()
  const request = 'GET /endless HTTP/1.1\r\nhost: x\r\n\r\n'
  const sockets = Array.from({ length: 5 }, () => net.connect(Number(url.port), '127.0.0.1').on('error', () => {}).resume())
  for (const socket of sockets) socket.write(request.repeat(20))
  while (emitters.length < 5) await sleep(5)
  t.equal(app.sse.size, 5)
  const { response, request: other } = call(new URL('/endless', url))
  t.equal((await response).statusCode, 200)
  for (const socket of sockets) socket.destroy()
  await Promise.all(emitters.slice(0, 5).map(({ closed }) => closed))
  t.equal(app.sse.size, 1)
  t.strictSame(warnings, [])
  other.destroy()
})

t.test('a client that pipelines more requests behind its stream than Node.js reads is disconnected', async t => {
  const { app, listen } = await build(t, { heartbeat: 0 })
  const { emitters } = addRoutes(app)
  const { port } = await listen()
  const socket = net.connect(Number(port), '127.0.0.1').on('error', () => {}).resume()
  t.teardown(() => socket.destroy())
  for (const path of ['/endless', '/missing']) socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`.repeat(2_000))
  while (emitters.length === 0) await sleep(5)
  t.equal(await emitters[0]!.closed, 'client')
  t.equal(app.sse.size, 0)
})

t.test('an HTTP/2 connection has at most maxStreamsPerConnection streams', async t => {
  const { app, listen } = await build(t, { maxStreamsPerConnection: 3, heartbeat: 0 }, { http2: true } as object)
  const { emitters } = addRoutes(app)
  const url = await listen()
  const connect = (): http2.ClientHttp2Session => {
    const session = http2.connect(url)
    t.teardown(() => session.destroy())
    return session
  }
  const open = async (session: http2.ClientHttp2Session): Promise<[http2.ClientHttp2Stream, number | undefined]> => {
    const stream = session.request({ ':path': '/endless' })
    stream.on('error', () => {})
    const [headers] = await once(stream, 'response') as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]
    return [stream, headers[':status']]
  }
  const [session, other] = [connect(), connect()]
  const streams = []
  for (let count = 0; count < 3; count++) streams.push((await open(session))[0])
  t.equal((await open(session))[1], 429)
  t.equal((await open(other))[1], 200, 'other connections have their own')
  streams[0]!.close()
  await emitters[0]!.closed
  t.equal((await open(session))[1], 200, 'a closed stream makes room')
  session.destroy()
  other.destroy()
  await Promise.all(emitters.map(({ closed }) => closed))
  t.equal(app.sse.size, 0)
})

t.test('a connection can be used again after a stream', async t => {
  const { app, listen } = await build(t)
  addRoutes(app)
  app.get('/plain', async () => 'plain')
  const { port } = await listen()
  const socket = net.connect(Number(port), '127.0.0.1').setEncoding('utf8')
  let text = ''
  socket.on('data', chunk => { text += chunk })
  for (const path of ['/three', '/plain', '/three']) {
    text = ''
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    while (!/\r\n0\r\n\r\n$|plain$/.test(text)) await sleep(5)
    t.match(text, /^HTTP\/1\.1 200 OK/)
  }
  socket.destroy()
})

t.test('the stream of a POST request stays open until the client disconnects', async t => {
  const { app, logs, listen } = await build(t)
  const { reasons, emitters } = addRoutes(app)
  const url = new URL('/endless', await listen())
  const { request, response } = call(url, { method: 'POST', headers: { 'content-type': 'application/json' } }, '{"q":1}')
  await response
  await sleep(50)
  t.equal(emitters[0]?.state, 'open', 'the end of the request body is no disconnect')
  request.destroy()
  t.equal(await emitters[0]?.closed, 'client')
  t.strictSame(reasons, ['client'])
  noWarnings(t, logs)
})

t.test('an injected request', async t => {
  t.test('receives the whole stream', async t => {
    const { app, logs } = await build(t)
    const { reasons } = addRoutes(app)
    const { body, statusCode } = await app.inject('/three')
    t.equal(statusCode, 200)
    t.strictSame(decode(body).events.map(({ data }) => data), ['one', 'zwei, größer', '三😀'])
    t.strictSame(reasons, ['complete'])
    noWarnings(t, logs)
  })

  t.test('can be aborted', async t => {
    const { app, logs } = await build(t)
    const { reasons, emitters } = addRoutes(app)
    const controller = new AbortController()
    const response = await app.inject({ url: '/endless', payloadAsStream: true, signal: controller.signal })
    t.equal(response.headers['content-type'], 'text/event-stream; charset=utf-8')
    const stream = response.stream().on('error', () => {})
    const [chunk] = await once(stream, 'data')
    t.equal(String(chunk), 'data:hello\n\n')
    controller.abort()
    t.equal(await emitters[0]?.closed, 'client')
    t.strictSame(reasons, ['client'])
    t.equal(app.sse.size, 0)
    // Fastify logs that the request was aborted.
    t.strictSame(logs.filter(({ level, msg }) => level >= WARN && msg !== 'request errored'), [])
  })
})

t.test('an injected request whose response is not read is dropped', async t => {
  // Only stallTimeout applies, because light-my-request buffers without a limit.
  const { app } = await build(t, { stallTimeout: 300 })
  const { emitters } = addRoutes(app)
  const response = await app.inject({ url: '/endless', payloadAsStream: true })
  const broken = once(response.stream(), 'error')
  const [emitter] = emitters
  while (emitter!.state === 'open') {
    emitter!.send('x'.repeat(10_000))
    await sleep(1)
  }
  t.equal(await emitter!.closed, 'slow')
  t.match(await broken, [{ code: 'LIGHT_ECONNRESET' }])
})

t.test('timeouts of the server and of Fastify do not end an open stream', async t => {
  const options = { handlerTimeout: 100, connectionTimeout: 100, requestTimeout: 100, keepAliveTimeout: 100 }
  const { app, logs, listen } = await build(t, { heartbeat: 0 }, { ...options, http: { connectionsCheckingInterval: 50 } } as object)
  const { emitters } = addRoutes(app)
  const url = new URL('/endless', await listen())
  const { request, response } = call(url)
  let text = ''
  const got = await response
  got.setEncoding('utf8').on('data', chunk => { text += chunk })
  await sleep(400)
  await emitters[0]!.send('still here')
  await until(() => text === 'data:hello\n\ndata:still here\n\n', 'another event has arrived')
  request.destroy()
  await emitters[0]!.closed
  noWarnings(t, logs)
})

t.test('if a handler exceeds handlerTimeout before its stream opens, Fastify responds', { skip: NO_HANDLER_TIMEOUT }, async t => {
  const { app, listen } = await build(t, {}, { handlerTimeout: 50 })
  const reasons: SseReason[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.onCompletion(reason => { reasons.push(reason) })
    await sleep(100)
    return emitter
  })
  t.equal((await call(await listen()).readAll()).status, 503)
  await until(() => reasons.length > 0, 'the stream is closed')
  t.strictSame(reasons, ['error'])
  t.equal(app.sse.size, 0)
})

t.test('if an onSend hook exceeds handlerTimeout, Fastify responds', { skip: NO_HANDLER_TIMEOUT }, async t => {
  const { app, logs, listen } = await build(t, {}, { handlerTimeout: 50 })
  const reasons: SseReason[] = []
  app.get('/', {
    onSend: async (_request, _reply, payload) => {
      await sleep(100)
      return payload
    }
  }, async (_request, reply) => {
    const emitter = reply.sse()
    emitter.onCompletion(reason => { reasons.push(reason) })
    return emitter
  })
  const { status } = await call(await listen()).readAll()
  t.equal(status, 503)
  // The hook ends after the response.
  await sleep(150)
  await until(() => reasons.length > 0, 'the stream is closed')
  t.strictSame(reasons, ['error'])
  t.equal(app.sse.size, 0)
  t.notOk(logs.some(({ msg }) => /already sent/.test(msg)))
})

t.test('trailers are sent after the stream', async t => {
  const { app, logs, listen } = await build(t)
  app.get('/', async (_request, reply) => {
    reply.trailer('x-checksum', async () => 'abc')
    const emitter = reply.sse()
    emitter.send('x')
    setTimeout(() => emitter.complete(), 20)
    return emitter
  })
  const { response } = call(await listen())
  const message = await response
  let body = ''
  for await (const chunk of message.setEncoding('utf8')) body += chunk
  t.equal(body, 'data:x\n\n')
  t.equal(message.trailers['x-checksum'], 'abc')
  noWarnings(t, logs)
})

t.test('headers are sent before the first event', async t => {
  const { app, listen } = await build(t)
  const emitters: SseEmitter[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitters.push(emitter)
    return emitter
  })
  const { request, response } = call(await listen())
  t.equal((await response).statusCode, 200)
  request.destroy()
  await emitters[0]!.closed
})

function unchunk (text: string): string {
  const bytes = Buffer.from(text)
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at)
    const length = parseInt(bytes.toString('latin1', at, end), 16)
    if (length === 0) return Buffer.concat(parts).toString()
    parts.push(bytes.subarray(end + 2, end + 2 + length))
    at = end + 2 + length + 2
  }
}
