import { AsyncLocalStorage } from 'node:async_hooks'
import t, { type Test } from 'tap'
import type { FastifyReply } from 'fastify'
import type { SsePluginOptions } from 'fastify-sse-emitter'
import { build, type TestApp } from '../fixtures/app.ts'
import { call } from '../fixtures/client.ts'
import { until } from '../fixtures/until.ts'

interface ContextApp extends TestApp {
  /** Records the URL of the request in whose context a callback runs. */
  note: (callback: string) => void
  /** What was recorded, without repetitions. */
  noted: () => string[]
  /** Declares a route, requests it, and returns a function that disconnects the client. */
  open: (url: string, handler: (reply: FastifyReply) => Promise<unknown>) => Promise<() => void>
}

/** Creates an application in which each request has a context, as by @fastify/request-context. */
async function setup (t: Test, options: SsePluginOptions = {}): Promise<ContextApp> {
  const context = new AsyncLocalStorage<string>()
  const notes = new Set<string>()
  const testApp = await build(t, options)
  const { app, listen } = testApp
  app.addHook('onRequest', (request, _reply, done) => { context.run(request.url, done) })
  app.get<{ Params: { name: string } }>('/:name', async ({ url }, reply) => {
    await handlers.get(url)!(reply)
    return reply
  })
  const handlers = new Map<string, (reply: FastifyReply) => Promise<unknown>>()
  const origin = await listen()
  return {
    ...testApp,
    note: callback => { notes.add(`${callback} ${context.getStore()}`) },
    noted: () => [...notes].sort(),
    open: async (url, handler) => {
      handlers.set(url, handler)
      const { request, response } = call(new URL(url, origin))
      request.on('error', () => {})
      ;(await response).resume()
      return () => request.destroy()
    }
  }
}

t.test('onTimeout, onError and onCompletion run in the context in which they were added', async t => {
  const { open, note, noted } = await setup(t)
  for (const url of ['/a', '/b']) {
    await open(url, async reply => {
      const emitter = reply.sse({ timeout: 20 })
      emitter.onTimeout(() => note('onTimeout'))
      emitter.onCompletion(() => note('onCompletion'))
      emitter.open()
    })
  }
  const failing: Array<(error: Error) => void> = []
  await open('/c', async reply => {
    const emitter = reply.sse()
    emitter.onError(() => note('onError'))
    emitter.open()
    failing.push(error => emitter.completeWithError(error))
  })
  await open('/d', async reply => {
    failing[0]!(new Error('Refused'))
    reply.sse().complete()
  })
  await until(() => noted().length === 5, 'all callbacks have run')
  t.strictSame(noted(), ['onCompletion /a', 'onCompletion /b', 'onError /c', 'onTimeout /a', 'onTimeout /b'])
})

t.test('onCompletion runs in the context in which it was added when the client disconnects', async t => {
  const { open, note, noted } = await setup(t)
  const disconnect = await open('/a', async reply => {
    const emitter = reply.sse()
    emitter.onCompletion(() => note('onCompletion'))
    await emitter.send('x')
  })
  disconnect()
  await until(() => noted().length > 0, 'the callback has run')
  t.strictSame(noted(), ['onCompletion /a'])
})

t.test('filter and until run in the context in which the stream subscribed', async t => {
  const { app, open, note, noted } = await setup(t)
  const news = app.sse.channel('news')
  for (const url of ['/a', '/b']) {
    await open(url, async reply => {
      const filter = (): boolean => { note('filter'); return true }
      const until = (): boolean => { note('until'); return false }
      await reply.sse().subscribe(news, { filter, until })
    })
  }
  await open('/c', async reply => {
    await news.publish('x')
    reply.sse().complete()
  })
  await until(() => noted().length >= 4, 'all callbacks have run')
  t.strictSame(noted(), ['filter /a', 'filter /b', 'until /a', 'until /b'])
})

t.test('sources run and end in the context in which they were sent', async t => {
  const { app, open, note, noted } = await setup(t)
  await open('/a', async reply => {
    reply.sse().sendAll(async function * () {
      try {
        note('source begins')
        yield 'x'
        note('source continues')
        // Waits for ever, and is ended from another context.
        for (;;) yield await new Promise(resolve => { setTimeout(resolve, 5) })
      } finally {
        note('source ends')
      }
    }).catch(() => note('sendAll rejects'))
  })
  await open('/b', async reply => {
    const emitter = reply.sse()
    emitter.open()
    emitter.sendAll(new ReadableStream({ cancel: () => note('web stream ends') })).catch(() => {})
  })
  await until(() => noted().includes('source continues /a'), 'the source has begun')
  await open('/c', async reply => {
    app.sse.close()
    reply.sse().complete()
  })
  await until(() => noted().length >= 5, 'all callbacks have run')
  t.strictSame(noted(), ['sendAll rejects /a', 'source begins /a', 'source continues /a', 'source ends /a', 'web stream ends /b'])
})

t.test('the producer of a run runs and ends in the context in which the run was started', async t => {
  const { app, open, note, noted } = await setup(t)
  await open('/a', async reply => {
    const { run } = await app.sse.runs.start('1', async function * () {
      try {
        note('producer begins')
        for (;;) yield await new Promise(resolve => { setTimeout(resolve, 5, 'x') })
      } finally {
        note('producer ends')
      }
    })
    run.watch(reply.sse())
  })
  await open('/b', async reply => {
    await app.sse.runs.cancel('1')
    reply.sse().complete()
  })
  await until(() => noted().length >= 2, 'the producer has ended')
  t.strictSame(noted(), ['producer begins /a', 'producer ends /a'])
})
