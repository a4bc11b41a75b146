import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { PassThrough, type Readable } from 'node:stream'
import { setTimeout as realSleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { SseEmitter, SseReason } from 'fastify-sse-emitter'
import { runInProcess } from '../fixtures/run-in-process.ts'
import { build, sleep, type LogLine } from '../fixtures/app.ts'
import { decode } from '../fixtures/client.ts'
import { mockClock } from '../fixtures/clock.ts'

/** Bytes that a slow client is sent, and that it reads at once: more than the operating system buffers. */
const TOTAL = 30_000_000
const STEP = 5_000_000

const tls = {
  key: readFileSync(new URL('../fixtures/tls/key.pem', import.meta.url)),
  cert: readFileSync(new URL('../fixtures/tls/cert.pem', import.meta.url))
}

interface SlowClient { app: FastifyInstance, logs: LogLine[], emitter: SseEmitter, reasons: SseReason[], response: Readable }

/** A client that has received the headers of a stream whose events wait for it. */
async function slowClient (t: Test, protocol: string): Promise<SlowClient> {
  const secure = protocol === 'HTTPS'
  const http2s = protocol.endsWith('HTTP/2')
  const { app, logs, listen } = await build(t, { stallTimeout: 2_000, heartbeat: 0, maxBuffered: 2 * TOTAL }, { http2: http2s, ...secure && { https: tls } } as object)
  // A compressor, but without its threads.
  if (protocol.startsWith('a stream in between')) app.addHook('onSend', async (_request, _reply, payload: Readable) => payload.pipe(new PassThrough()))
  const reasons: SseReason[] = []
  const opened = new Promise<SseEmitter>(resolve => {
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      emitter.onCompletion(reason => { reasons.push(reason) })
      resolve(emitter)
      return emitter
    })
  })
  const url = await listen()
  const response = await (http2s ? requestHttp2(t, url) : requestHttp1(t, url, secure))
  const emitter = await opened
  const text = 'x'.repeat(100_000)
  for (let sent = 0; sent < TOTAL; sent += text.length) emitter.send(text).catch(() => {})
  return { app, logs, emitter, reasons, response }
}

async function requestHttp1 (t: Test, url: URL, secure: boolean): Promise<Readable> {
  const request = (secure ? https : http).get(url, { agent: false, rejectUnauthorized: false } as https.RequestOptions)
  t.teardown(() => { request.destroy() })
  request.on('error', () => {})
  const [response] = await once(request, 'response') as [http.IncomingMessage]
  return response.on('error', () => {})
}

async function requestHttp2 (t: Test, url: URL): Promise<Readable> {
  const session = http2.connect(url)
  t.teardown(() => { session.destroy() })
  const request = session.request({ ':path': '/' })
  request.on('error', () => {})
  await once(request, 'response')
  return request
}

interface Report { reason: string, sent: number, limit: number, queued: number, waiting: number, grown: number }

/** Sends to a client that does not read, in another process. */
const sendToStalledClient = async (mode: 'awaited' | 'unawaited'): Promise<Report> => await runInProcess('stalled-main.ts', mode)

t.test('the memory for a stalled client is limited', async t => {
  t.test('if sends are not awaited, to maxBuffered', async t => {
    const { reason, sent, limit, queued, waiting, grown } = await sendToStalledClient('unawaited')
    t.equal(reason, 'slow')
    t.ok(queued <= limit && queued > limit - 100, `${queued} of ${limit} bytes were queued`)
    t.ok(sent > 300_000, `${sent} events`)
    t.ok(grown < waiting * 1.1 + 500_000, `${waiting} bytes took ${grown} bytes of memory`)
  })

  t.test('if sends are awaited, to one event', async t => {
    const { reason, sent, waiting, grown } = await sendToStalledClient('awaited')
    t.equal(reason, 'slow')
    t.equal(sent, 0, 'the first send waits until the client is dropped')
    t.ok(waiting < 100)
    t.ok(grown < 500_000, `${grown} bytes`)
  })
})

t.test('awaited sends are as fast as the client reads, and no event is lost', async t => {
  const { app, listen } = await build(t, { maxBuffered: 200_000 })
  const opened = new Promise<SseEmitter>(resolve => {
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      resolve(emitter)
      return emitter
    })
  })
  const { port } = await listen()
  const socket = net.connect(Number(port), '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  const emitter = await opened
  let text = ''
  socket.setEncoding('utf8').on('data', chunk => { text += chunk })
  // A client that keeps stopping and reading again.
  const interval = setInterval(() => { socket.isPaused() ? socket.resume() : socket.pause() }, 5)
  t.teardown(() => clearInterval(interval))

  let queued = 0
  const COUNT = 400
  for (let index = 0; index < COUNT; index++) {
    await emitter.send(`${index} ${'x'.repeat(50_000)}`)
    queued = Math.max(queued, app.sse.list()[0]!.queued)
  }
  emitter.complete()
  await once(socket, 'end')
  t.ok(queued < 200_000, `${queued} bytes were queued`)
  const body = text.slice(text.indexOf('\r\n\r\n') + 4).replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n/g, '')
  t.strictSame(decode(body).events.map(({ data }) => Number(data.split(' ')[0])), Array.from({ length: COUNT }, (_, index) => index))
})

for (const protocol of ['HTTP/1.1', 'HTTPS', 'HTTP/2', 'a stream in between', 'a stream in between over HTTP/2']) {
  t.test(`through ${protocol}, a slow client that keeps reading is not dropped, neither before the end of the stream nor after`, async t => {
    const { advance } = mockClock(t)
    const { app, reasons, response, emitter } = await slowClient(t, protocol)
    let received = 0
    /** Lets time pass, without which the client would be dropped if its last bytes had not counted. */
    const pass = async (): Promise<void> => {
      await realSleep(5)
      advance(1_400)
    }
    const take = async (): Promise<boolean> => {
      const end = received + STEP
      while (received < end) {
        const chunk = response.read() as Buffer | null
        if (chunk !== null) received += chunk.length
        else if (response.readableEnded || response.destroyed) return false
        else await Promise.race([once(response, 'readable'), once(response, 'close')])
      }
      return true
    }
    for (let steps = TOTAL / 2 / STEP; steps > 0 && await take(); steps--) await pass()
    t.equal(emitter.state, 'open')
    t.ok(app.sse.list()[0]!.queued > STEP, 'much is still queued')
    emitter.complete()
    while (await take()) await pass()
    t.equal(await emitter.closed, 'complete')
    t.strictSame(reasons, ['complete'])
    t.ok(received > TOTAL)
  })

  t.test(`through ${protocol}, a client that stops reading after the end of the stream is dropped as slow`, async t => {
    const { advance } = mockClock(t)
    const { logs, reasons, emitter } = await slowClient(t, protocol)
    await realSleep(20)
    emitter.complete()
    await realSleep(20)
    advance(2_700)
    t.equal(await emitter.closed, 'slow')
    t.strictSame(reasons, ['slow'])
    t.match(logs.filter(({ sse }) => sse !== undefined), [{ sse: { reason: 'slow' } }])
  })
}

t.test('a client that does not read is dropped after stallTimeout, even if little is queued', async t => {
  const { app, logs, listen } = await build(t, { stallTimeout: 300, heartbeat: 100 })
  const opened = new Promise<SseEmitter>(resolve => {
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      resolve(emitter)
      return emitter
    })
  })
  const { port } = await listen()
  const socket = net.connect(Number(port), '127.0.0.1').pause()
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  const emitter = await opened
  emitter.open()
  const start = performance.now()
  while (app.sse.list()[0]!.queued < 500_000) {
    emitter.send('x'.repeat(100_000)).catch(() => {})
    await sleep(1)
  }
  t.equal(await emitter.closed, 'slow')
  const took = performance.now() - start
  t.ok(took > 290, `${took} ms`)
  t.match(logs.filter(({ sse }) => sse !== undefined), [{ sse: { reason: 'slow' } }])
  socket.destroy()
})
