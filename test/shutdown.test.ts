import t from 'tap'
import { build } from './fixtures/app.ts'
import { decode } from './fixtures/client.ts'

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
  const { app, listen } = await build(t, { shutdownGrace: 2 ** 31 })
  app.get('/', (_request, reply) => reply.sse().send('x'.repeat(100_000)).then(() => reply))
  const response = await fetch(await listen())
  await app.close()
  t.equal((await response.text()).length > 100_000, true)
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
