import dns from 'node:dns'
import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import { EventSource } from 'eventsource'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import sse, { type SseEmitter, type SseReason } from 'fastify-sse-emitter'
import { build, sleep } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { until } from '../fixtures/until.ts'

function addRoute (app: FastifyInstance): { emitters: SseEmitter[], reasons: SseReason[] } {
  const emitters: SseEmitter[] = []
  const reasons: SseReason[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitters.push(emitter)
    emitter.onCompletion(reason => { reasons.push(reason) })
    await emitter.send('hello')
    return emitter
  })
  return { emitters, reasons }
}

/** Returns the duration in milliseconds. */
async function durationOf (work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

t.test('every client receives a retry time, and its connection is closed', async t => {
  const { app, listen } = await build(t, { retry: 2_000, shutdownGrace: 60_000 }, { forceCloseConnections: false })
  const { reasons, emitters } = addRoute(app)
  const url = await listen()
  // A client that keeps its connection alive.
  const socket = net.connect(Number(url.port), '127.0.0.1').setEncoding('utf8')
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(socket, 'data')
  const other = call(url)
  await other.response
  emitters[1]!.send('last words')
  const ended = once(socket, 'close')
  t.ok(await durationOf(async () => await app.close()) < 30_000, 'closing does not wait for shutdownGrace')
  await ended
  t.strictSame(reasons, ['shutdown', 'shutdown'])
  const { events, retries } = decode((await other.readAll()).body)
  t.strictSame(events.map(({ data }) => data), ['hello', 'last words'])
  t.equal(retries.length, 2)
  t.equal(retries[0], 2_000)
  t.ok(retries[1]! >= 1_000 && retries[1]! <= 3_000, `${retries[1]} ms`)
})

t.test('while streams are drained, new connections are refused by the system', async t => {
  const { app, listen } = await build(t, { shutdownGrace: 60_000 }, { forceCloseConnections: false })
  const { emitters } = addRoute(app)
  const url = await listen()
  // A client that does not read, so that its stream can't be drained.
  const socket = net.connect(Number(url.port), '127.0.0.1').pause()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  while (emitters.length === 0) await sleep(5)
  for (let sent = 0; sent < 900; sent++) emitters[0]!.send('x'.repeat(10_000)).catch(() => {})
  const closing = app.close()
  await until(async () => await call(url).response.catch((error: NodeJS.ErrnoException) => error.code) === 'ECONNREFUSED', 'a new connection is refused')
  t.equal(app.sse.size, 1, 'the stream is still being drained')
  socket.destroy()
  await closing
})

t.test('a client that does not read is disconnected after shutdownGrace', async t => {
  const { app, listen } = await build(t, { shutdownGrace: 200, maxBuffered: 100_000_000 }, { forceCloseConnections: false })
  const { emitters, reasons } = addRoute(app)
  const url = await listen()
  const socket = net.connect(Number(url.port), '127.0.0.1').pause()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  while (emitters.length === 0) await sleep(5)
  for (let sent = 0; sent < 2_000; sent++) emitters[0]!.send('x'.repeat(10_000)).catch(() => {})
  const took = await durationOf(async () => await app.close())
  t.ok(took > 190, `${took} ms`)
  t.strictSame(reasons, ['shutdown'])
  socket.destroy()
})

t.test('with a shutdownGrace of 0, clients are disconnected at once', async t => {
  const { app, listen } = await build(t, { shutdownGrace: 0 }, { forceCloseConnections: false })
  const { reasons } = addRoute(app)
  const { response } = call(await listen())
  const message = await response
  const failed = once(message, 'error')
  message.resume()
  await app.close()
  t.match(await failed, [{ code: 'ECONNRESET' }])
  t.strictSame(reasons, ['shutdown'])
})

t.test('a handler that opens its stream during the shutdown sends a retry time only', async t => {
  const { app, listen } = await build(t, { shutdownGrace: 1_000 }, { forceCloseConnections: false })
  const reasons: SseReason[] = []
  const errors: unknown[] = []
  let waiting = 0
  let resume = (): void => {}
  const resumed = new Promise<void>(resolve => { resume = resolve })
  for (const how of ['returns', 'throws']) {
    app.get(`/${how}`, async (_request, reply) => {
      waiting++
      await resumed
      const emitter = reply.sse()
      emitter.onCompletion(reason => { reasons.push(reason) })
      try {
        await emitter.send('too late')
      } catch (error) {
        errors.push((error as { reason: string }).reason)
        if (how === 'throws') throw error
      }
      return emitter
    })
  }
  addRoute(app)
  const url = await listen()
  const drained = call(url)
  await drained.response
  const late = ['/returns', '/throws'].map(path => call(new URL(path, url)))
  await until(() => waiting === 2, 'both handlers are running')
  const closing = app.close()
  await drained.readAll()
  resume()
  for (const { readAll } of late) {
    const { status, body } = await readAll()
    t.equal(status, 200)
    t.equal(decode(body).retries.length, 1)
    t.strictSame(decode(body).events, [])
  }
  await closing
  t.strictSame(reasons, ['shutdown', 'shutdown'])
  t.strictSame(errors, ['shutdown', 'shutdown'])
})

t.test('on HTTP/2, streams end and the connection is closed', async t => {
  const { app, listen } = await build(t, { shutdownGrace: 60_000 }, { http2: true, forceCloseConnections: false } as object)
  const { reasons } = addRoute(app)
  const session = http2.connect(await listen())
  const stream = session.request({ ':path': '/' })
  let text = ''
  stream.setEncoding('utf8').on('data', chunk => { text += chunk })
  await once(stream, 'response')
  const ended = Promise.all([once(stream, 'end'), once(session, 'close')])
  t.ok(await durationOf(async () => await app.close()) < 30_000)
  await ended
  t.equal(decode(text).retries.length, 1)
  t.strictSame(reasons, ['shutdown'])
})

t.test('every address of localhost refuses connections', async t => {
  const { app } = await build(t, { shutdownGrace: 60_000 }, { forceCloseConnections: false })
  const { emitters } = addRoute(app)
  // Localhost has a second address only on some machines.
  const { lookup } = dns
  t.intercept(dns, 'lookup', {
    value: (...args: Parameters<typeof dns.lookup>) => {
      const [host, options, done] = args as unknown[] as [string, dns.LookupOptions, (error: null, addresses: dns.LookupAddress[]) => void]
      if (host === 'localhost' && options.all === true) done(null, [{ address: '127.0.0.1', family: 4 }, { address: '127.0.0.2', family: 4 }])
      else lookup(...args)
    }
  })
  await app.listen({ port: 0, host: 'localhost' })
  const [first, second] = app.addresses() as [net.AddressInfo, net.AddressInfo]
  const socket = net.connect(first.port, first.address).pause()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  while (emitters.length === 0) await sleep(5)
  for (let sent = 0; sent < 900; sent++) emitters[0]!.send('x'.repeat(10_000)).catch(() => {})
  const closing = app.close()
  await until(async () => await once(net.connect(second.port, second.address), 'connect').then(() => false, ({ code }) => code === 'ECONNREFUSED'), 'the second address refuses connections')
  socket.destroy()
  await closing
})

t.test('an EventSource reconnects to a restarted server', async t => {
  const serve = async (port: number): Promise<FastifyInstance> => {
    const app = fastify()
    await app.register(sse, { retry: 50 })
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.send(reply.request.headers['last-event-id'] ?? 'first', { id: '7' })
      return emitter
    })
    await app.listen({ port, host: '127.0.0.1' })
    return app
  }
  const before = await serve(0)
  const { port } = before.server.address() as net.AddressInfo
  const messages: string[] = []
  const states: number[] = []
  const source = new EventSource(`http://127.0.0.1:${port}/`)
  t.teardown(() => source.close())
  source.onmessage = ({ data }) => { messages.push(data) }
  source.onerror = () => { states.push(source.readyState) }
  while (messages.length < 1) await sleep(5)
  await before.close()
  const after = await serve(port)
  t.teardown(() => after.close())
  while (messages.length < 2) await sleep(20)
  t.strictSame(messages, ['first', '7'])
  t.ok(states.every(state => state === EventSource.CONNECTING), 'it was never closed')
})
