import { Readable } from 'node:stream'
import t from 'tap'
import { injectSse } from 'fastify-sse-emitter/testing'
import { UnreadEvents } from '../../plugin/testing/unread-events.ts'
import { build } from '../fixtures/app.ts'

t.test('a sender waits while its events are not read', async t => {
  const { app } = await build(t)
  let sent = 0
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse({ maxBuffered: 16 * 1024 })
    for (; sent < 2_000; sent++) await emitter.send('x'.repeat(1_000))
    emitter.complete()
  })
  const stream = await injectSse(app, { url: '/' })
  for (let turn = 0, before = 0; turn < 20; turn++) {
    if (before !== sent) turn = 0
    before = sent
    await new Promise(resolve => { setImmediate(resolve) })
  }
  t.ok(sent < 300, `${sent} events of 1 kB were sent`)
  t.equal((await stream.take(2_000)).length, 2_000)
  t.equal(await stream.next(), undefined)
  t.equal(await stream.closed, 'complete')
})

t.test('an event may be large', async t => {
  const { app } = await build(t)
  const text = 'é'.repeat(1_000_000)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.sendAll([text, 'b'])
    emitter.complete()
  })
  const stream = await injectSse(app, { url: '/' })
  const [large, small] = await stream.take(2)
  t.equal(large!.data === text, true)
  t.equal(small!.data, 'b')
})

t.test('a body that was cut before it is read has no events', async t => {
  const body = new Readable({ read () {} })
  body.on('error', () => {})
  body.destroy(new Error('Cut'))
  await new Promise(resolve => { body.once('close', resolve) })
  t.equal(await new UnreadEvents(body, '').next(), undefined)
})
