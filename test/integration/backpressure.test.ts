import { once } from 'node:events'
import net from 'node:net'
import t from 'tap'
import type { SseEmitter } from 'fastify-sse-emitter'
import { runInProcess } from '../fixtures/run-in-process.ts'
import { build, sleep } from '../fixtures/app.ts'
import { decode } from '../fixtures/client.ts'

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
