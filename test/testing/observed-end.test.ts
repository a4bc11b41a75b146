import { channel } from 'node:diagnostics_channel'
import { Readable } from 'node:stream'
import fastify from 'fastify'
import sse from 'fastify-sse-emitter'
import t from 'tap'
import { injectSse } from 'fastify-sse-emitter/testing'
import { build } from '../fixtures/app.ts'

const streamClosed = channel('fastify-sse-emitter:stream:close')

/** Yields one chunk, and never ends. */
async function * endless (): AsyncGenerator<string, void, undefined> {
  yield 'a'
  await new Promise(() => {})
}

t.test('the reason is reported however a stream ends', async t => {
  const { app } = await build(t, { shutdownGrace: 50 })
  app.get('/complete', async (_request, reply) => {
    reply.sse().complete()
    return reply
  })
  app.get('/timeout', async (_request, reply) => reply.sse({ timeout: 50 }))
  app.get('/expired', async (_request, reply) => reply.sse({ expiresAt: Date.now() - 1 }))
  app.get('/failed', async (_request, reply) => {
    await reply.sse().send('x')
    throw new Error('Failed')
  })
  app.get('/refused', async (_request, reply) => {
    reply.sse()
    throw Object.assign(new Error('Refused'), { statusCode: 401 })
  })
  app.get('/declined', async (_request, reply) => {
    reply.sse()
    return reply.code(204).send()
  })
  app.get('/kicked', async (_request, reply) => reply.sse())
  const reasonOf = async (url: string, method: 'GET' | 'HEAD' = 'GET'): Promise<string> => await (await injectSse(app, { url, method })).closed
  t.equal(await reasonOf('/complete'), 'complete')
  t.equal(await reasonOf('/complete', 'HEAD'), 'complete')
  t.equal(await reasonOf('/timeout'), 'timeout')
  t.equal(await reasonOf('/expired'), 'expired')
  t.equal(await reasonOf('/failed'), 'error')
  t.equal(await reasonOf('/refused'), 'error')
  t.equal(await reasonOf('/declined'), 'complete')
  const streams = [await injectSse(app, { url: '/kicked' }), await injectSse(app, { url: '/kicked' })]
  const [first] = app.sse.list()
  app.sse.close(({ id }) => id === first!.id)
  t.equal(await streams[0]!.closed, 'kicked')
  const closed = app.close()
  t.equal(await streams[1]!.closed, 'shutdown')
  await closed
  t.equal(streamClosed.hasSubscribers, false)
})

t.test('a response without a stream ends as complete, or as client if the client disconnects', async t => {
  const { app } = await build(t)
  app.get('/json', async () => ({}))
  app.get('/text', async (_request, reply) => reply.send(Readable.from(endless())))
  t.equal(await (await injectSse(app, { url: '/json' })).closed, 'complete')
  const stream = await injectSse(app, { url: '/text' })
  t.equal(streamClosed.hasSubscribers, true)
  await stream.leave()
  t.equal(await stream.closed, 'client')
  t.equal(streamClosed.hasSubscribers, false)
})

t.test('an application that rejects the request leaves no observer', async t => {
  const { app } = await build(t)
  app.addHook('onReady', async () => { throw new Error('Not ready') })
  await t.rejects(injectSse(app, { url: '/' }))
  t.equal(streamClosed.hasSubscribers, false)
})

t.test('streams that are open at once, of several applications, end for their own reasons', async t => {
  const { app } = await build(t)
  const other = fastify()
  t.teardown(() => other.close())
  // Twice, each in a context of its own.
  for (const prefix of ['/a', '/b']) {
    await other.register(async scope => {
      await scope.register(sse)
      scope.get(prefix, async (_request, reply) => reply.sse({ timeout: 50 }))
    })
  }
  app.get('/', async (_request, reply) => reply.sse())
  const [left, ...timedOut] = await Promise.all([injectSse(app, { url: '/' }), injectSse(other, { url: '/a' }), injectSse(other, { url: '/b' })])
  await left.leave()
  t.equal(await left.closed, 'client')
  for (const stream of timedOut) t.equal(await stream.closed, 'timeout')
})
