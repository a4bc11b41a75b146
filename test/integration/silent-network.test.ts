import assert from 'node:assert/strict'
import t from 'tap'
import type { SseReason } from 'fastify-sse-emitter'
import { connect } from 'fastify-sse-emitter/client'
import { build } from '../fixtures/app.ts'
import { eventually } from '../fixtures/eventually.ts'
import { TcpProxy } from '../fixtures/tcp-proxy.ts'

t.test('if a connection becomes silent, its client resumes on another one, and its stream ends as slow when the buffers are full', async t => {
  const { app, listen } = await build(t, { heartbeat: 100, stallTimeout: 1_000, retry: 10 })
  const channel = app.sse.channel('c', { history: { bytes: 1024 ** 3 } })
  const reasons: SseReason[] = []
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    emitter.onCompletion(reason => { reasons.push(reason) })
    await emitter.subscribe(channel, { from: 'start' })
    return emitter
  })
  const { port } = await listen()
  const proxy = await TcpProxy.start(t, { port: Number(port) })
  const received: number[] = []
  const errors: string[] = []
  const connection = connect(`http://127.0.0.1:${proxy.port}`, {
    heartbeatTimeout: 1_000,
    onEvent: ({ data }) => { received.push(JSON.parse(data).number) },
    onGap: () => { errors.push('gap') },
    onReset: () => { errors.push('reset') },
    onError: ({ code }) => { errors.push(code) }
  })
  t.teardown(() => { connection.close() })
  let published = 0
  const publish = async (text = ''): Promise<void> => { await channel.publish({ number: ++published, text }) }
  const receivesAll = async (): Promise<void> => await eventually(() => { assert.equal(received.length, published) })

  await publish()
  await receivesAll()
  proxy.silence()
  for (let count = 0; count < 10; count++) await publish()
  await receivesAll()
  t.strictSame(errors, ['SSE_CLIENT_ERR_TIMEOUT'])
  t.equal(app.sse.size, 2, 'heartbeats fit into the buffers of the operating system, so the first stream is still open')

  const large = 'x'.repeat(200_000)
  await eventually(async () => {
    await publish(large)
    assert.notEqual(reasons.length, 0)
  })
  t.strictSame(reasons, ['slow'])
  t.equal(app.sse.size, 1)
  await receivesAll()
  t.strictSame(received, Array.from({ length: published }, (_, index) => index + 1))
  t.strictSame(errors, ['SSE_CLIENT_ERR_TIMEOUT'])
})
