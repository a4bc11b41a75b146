import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { SseEmitter, SseReason } from 'fastify-sse-emitter'
import { build, sleep } from '../fixtures/app.ts'
import { eventually } from '../fixtures/eventually.ts'

const LARGE = 'x'.repeat(100_000)

/** A client in a thread of its own, which continues while this one is blocked. It reads when it receives a message. */
const CLIENT = `
  const { connect } = require('node:net')
  const http2 = require('node:http2')
  const { parentPort, workerData: { port, isHttp2 } } = require('node:worker_threads')
  const connection = isHttp2 ? http2.connect('http://127.0.0.1:' + port) : connect(port, '127.0.0.1')
  const stream = isHttp2 ? connection.request() : connection
  if (!isHttp2) stream.write('GET / HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n')
  stream.pause().on('error', () => {})
  let bytes = 0
  parentPort.once('message', () => { stream.on('data', chunk => { bytes += chunk.length }).resume() })
  stream.on('end', () => {
    connection.destroy()
    parentPort.postMessage(bytes)
    parentPort.close()
  })
`

function block (ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

t.test('while the event loop is blocked, no client that reads is dropped as slow', async t => {
  for (const isHttp2 of [false, true]) {
    const { app, listen } = await build(t, { stallTimeout: 500, heartbeat: 100 }, isHttp2 ? { http2: true } as object : {})
    let emitter!: SseEmitter
    const reasons: SseReason[] = []
    app.get('/', (_request, reply) => {
      emitter = reply.sse()
      emitter.onCompletion(reason => { reasons.push(reason) })
      return emitter
    })
    const { port } = await listen()
    const client = new Worker(CLIENT, { eval: true, workerData: { port: Number(port), isHttp2 } })
    t.teardown(async () => await client.terminate())
    await eventually(() => { assert.equal(app.sse.size, 1) })

    let [sent, isFull] = [0, false]
    while (!isFull) {
      const sending = emitter.send(LARGE).then(() => false)
      isFull = await Promise.race([sending, sleep(50).then(() => true)])
      sent++
    }
    client.postMessage('read')
    block(1_500)
    await sleep(200)
    t.strictSame(reasons, [])
    emitter.complete()
    const [bytes] = await once(client, 'message')
    t.ok(bytes > sent * LARGE.length)
  }
})
