import { install } from '@sinonjs/fake-timers'
import t from 'tap'
import { Deferred } from '../plugin/base/deferred.ts'
import type { ReplyStreams } from '../plugin/reply/reply-streams.ts'
import { shutDown } from '../plugin/shutdown.ts'
import { build, sleep } from './fixtures/app.ts'
import { call, decode } from './fixtures/client.ts'

t.test('closing an application without streams does not wait', async t => {
  const { app, listen } = await build(t, { shutdownGrace: 60_000 })
  await listen()
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < 30_000)
})

t.test('closing waits until the producers of runs have ended', async t => {
  const { app } = await build(t, { shutdownGrace: 60_000 })
  let isSaved = false
  await app.sse.runs.start('a', async function * ({ signal }) {
    try {
      yield 'x'
      await new Promise(resolve => { signal.addEventListener('abort', resolve) })
    } finally {
      await new Promise(resolve => { setTimeout(resolve, 100) })
      isSaved = true
    }
  })
  await app.close()
  t.equal(isSaved, true)
})

t.test('closing waits for a producer that does not end no longer than shutdownGrace', async t => {
  const { app } = await build(t, { shutdownGrace: 100 })
  await app.sse.runs.start('a', async function * () {
    yield await new Promise<string>(() => {})
  })
  await app.close()
  t.equal(app.sse.runs.list()[0]!.state, 'failed')
})

t.test('a shutdownGrace that is longer than any timer does not cut streams', async t => {
  const { app, listen } = await build(t, { shutdownGrace: 2 ** 32, maxBuffered: 64 * 1024 * 1024 })
  app.get('/', (_request, reply) => {
    // More than the operating system buffers for a client that does not read.
    reply.sse().send('x'.repeat(32 * 1024 * 1024))
    return reply
  })
  const response = await call(await listen()).response
  const closing = app.close()
  await sleep(50)
  let length = 0
  for await (const chunk of response) length += chunk.length
  await closing
  t.ok(length > 32 * 1024 * 1024, `${length} bytes`)
})

t.test('runs, streams and producers share one grace period', async t => {
  const { app } = await build(t)
  let time = 0
  t.intercept(performance, 'now', { value: () => time })
  const never = new Promise<void>(() => {})
  const cut = new Deferred<void>()
  const streams = { retry: 0, endNewStreams: () => {}, shutDown: () => {}, cut: cut.resolve, whenEmpty: () => cut.promise }
  const runs = {
    close: () => {
      // It takes the whole period.
      time = 60_000
      return never
    },
    producersEnded: () => never
  }
  const closed = shutDown(app.server, streams as unknown as ReplyStreams, runs, 60_000).then(() => 'closed')
  t.equal(await Promise.race([closed, sleep(5_000)]), 'closed')
})

t.test('with the longest retry, streams are ended nevertheless', async t => {
  const { app, listen } = await build(t, { retry: Number.MAX_SAFE_INTEGER })
  app.get('/', (_request, reply) => reply.sse().send('x').then(() => reply))
  const url = await listen()
  // The delay would be longer.
  t.intercept(Math, 'random', { value: () => 0.9 })
  const response = await fetch(url)
  await app.close()
  t.strictSame(decode(await response.text()).retries, [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER])
})

t.test('closing does not wait for timers that a test fakes', async t => {
  const { app } = await build(t, { shutdownGrace: 50 })
  app.get('/', async (_request, reply) => {
    // More than an injected response holds.
    reply.sse().send('x'.repeat(500_000))
    return reply
  })
  const clock = install({ toNotFake: ['nextTick', 'queueMicrotask'] })
  t.teardown(() => { clock.uninstall() })
  await app.inject({ url: '/', payloadAsStream: true })
  await app.close()
  t.equal(app.sse.size, 0)
})
