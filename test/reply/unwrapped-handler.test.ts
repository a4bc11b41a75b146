import type { FastifyReply, onSendHookHandler } from 'fastify'
import t, { type Test } from 'tap'
import type { SseEmitter, SsePluginOptions } from 'fastify-sse-emitter'
import { build, buildUnloaded, NO_HANDLER_TIMEOUT, sleep, WARN } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { replyMatrix } from '../fixtures/reply-matrix.ts'
import { until } from '../fixtures/until.ts'

process.on('warning', warning => { throw warning })

replyMatrix(t, async t => buildUnloaded(t))

/** Both orders: a handler that is not wrapped must behave as one that is. */
const ORDERS = {
  'declared before the plugin was loaded': async (t: Test, options?: SsePluginOptions) => buildUnloaded(t, options),
  'declared after the plugin was loaded': build
}

const slowHook: onSendHookHandler = async (_request, _reply, payload) => {
  await sleep(10)
  return payload
}

for (const [order, create] of Object.entries(ORDERS)) {
  t.test(`a route ${order}`, async t => {
    t.test('answers with another value than its open stream only with a warning', async t => {
      const { app, logs } = await create(t)
      const opened = (reply: FastifyReply): void => {
        const emitter = reply.sse()
        emitter.send('x')
        setTimeout(() => emitter.complete(), 30)
      }
      app.get('/async', async (_request, reply) => {
        opened(reply)
        return { lost: true }
      })
      app.get('/sync', (_request, reply) => {
        opened(reply)
        return { lost: true }
      })
      app.get('/slow', { onSend: slowHook }, async (_request, reply) => {
        opened(reply)
        return { lost: true }
      })
      app.get('/nothing', { onSend: slowHook }, async (_request, reply) => opened(reply))
      for (const url of ['/async', '/sync', '/slow', '/nothing']) t.equal((await app.inject(url)).body, 'data:x\n\n', url)
      const warnings = logs.filter(({ level }) => level >= WARN)
      for (const { msg } of warnings) t.match(msg, /returned another value, which is ignored/)
    })

    t.test('ends its open stream with an error, whatever it throws', async t => {
      const { app } = await create(t)
      const error = new Error('boom')
      for (const [name, thrown] of Object.entries({ error, text: 'text', zero: 0 })) {
        for (const onSend of [[], [slowHook]]) {
          const url = `/${name}${onSend.length}`
          app.get(`${url}/async`, { onSend }, async (_request, reply) => {
            reply.sse().open()
            throw thrown
          })
          app.get(`${url}/sync`, { onSend }, (_request, reply) => {
            reply.sse().open()
            throw thrown
          })
          app.get(`${url}/later`, { onSend }, async (_request, reply) => {
            await reply.sse().send('x')
            await sleep(1)
            throw thrown
          })
        }
      }
      for (const name of ['error', 'text', 'zero']) {
        for (const url of ['0/async', '0/sync', '0/later', '1/async', '1/sync', '1/later']) {
          const { statusCode, body } = await app.inject(`/${name}${url}`)
          t.equal(statusCode, 200)
          t.match(decode(body).events.at(-1), { event: 'sse-error' }, `/${name}${url}`)
        }
      }
    })

    t.test('is answered by the error handler if it throws before it opens', async t => {
      const { app } = await create(t)
      app.setErrorHandler(async (error: unknown, request, reply) => {
        const { how } = request.params as { how: string }
        if (how === 'returned') return { handled: String(error) }
        reply.type('application/json').send({ handled: String(error) })
        return how === 'nothing' ? undefined : reply
      })
      const errors: unknown[] = []
      for (const [name, thrown] of [['error', new Error('boom')], ['text', 'boom']] as const) {
        app.get(`/${name}/:how`, async (_request, reply) => {
          reply.sse().onError(error => { errors.push(error) })
          throw thrown
        })
        app.get(`/plain-${name}/:how`, (_request, reply) => {
          reply.sse().onError(error => { errors.push(error) })
          throw thrown
        })
        app.get(`/completed-${name}/:how`, async (_request, reply) => { reply.sse().completeWithError(thrown) })
      }
      for (const name of ['error', 'plain-error', 'completed-error']) {
        for (const how of ['returned', 'sent', 'nothing']) t.strictSame((await app.inject(`/${name}/${how}`)).json(), { handled: 'Error: boom' }, name)
      }
      for (const name of ['text', 'plain-text']) t.strictSame((await app.inject(`/${name}/sent`)).json(), { handled: 'Error: Not an error, but \'boom\'' }, name)
      t.equal(errors.length, 8)
      t.equal(app.sse.size, 0)
    })

    t.test('is answered by the error handler if an onSend hook fails', async t => {
      const { app } = await create(t)
      app.setErrorHandler((_error, _request, reply) => { reply.code(418).type('application/json').send({ handled: true }) })
      let failed = false
      app.addHook('onSend', async () => {
        if (failed) return
        failed = true
        throw new Error('hook')
      })
      app.get('/', async (_request, reply) => {
        const emitter = reply.sse()
        emitter.send('x')
        return emitter
      })
      const response = await app.inject('/')
      t.equal(response.statusCode, 418)
      t.strictSame(response.json(), { handled: true })
      t.equal(app.sse.size, 0)
    })

    t.test('may find that its client has left before it opens', async t => {
      const { app, logs, listen } = await create(t)
      const reasons: string[] = []
      const gone = async (reply: FastifyReply): Promise<SseEmitter> => {
        const emitter = reply.sse()
        emitter.onCompletion(reason => { reasons.push(reason) })
        await emitter.closed
        return emitter
      }
      const handlers: Record<string, (reply: FastifyReply) => Promise<unknown>> = {
        send: async reply => await (await gone(reply)).send('late'),
        throw: async reply => {
          await gone(reply)
          throw new Error('late')
        },
        value: async reply => {
          await gone(reply)
          return { late: true }
        },
        nothing: async reply => { await gone(reply) }
      }
      const returned: string[] = []
      for (const [name, handler] of Object.entries(handlers)) {
        app.get(`/${name}`, async (_request, reply) => await handler(reply).finally(() => returned.push(name)))
      }
      const url = await listen()
      for (const name of Object.keys(handlers)) {
        const { request, response } = call(new URL(name, url))
        await until(() => app.sse.size === 1, 'the stream exists')
        request.destroy()
        await response.catch(() => {})
        await until(() => returned.includes(name), 'the handler is done')
      }
      await sleep(10)
      t.strictSame(reasons, ['client', 'client', 'client', 'client'])
      t.match(logs.filter(({ level }) => level >= WARN), [{ err: { message: 'late' } }])
      t.equal(logs.filter(({ level }) => level >= WARN).length, 1)
    })

    t.test('may send another response', async t => {
      const { app, logs } = await create(t)
      const emitters: SseEmitter[] = []
      app.get('/empty', (_request, reply) => {
        emitters.push(reply.sse())
        reply.code(202).send()
      })
      app.get('/json', async (_request, reply) => {
        emitters.push(reply.sse())
        return await reply.code(201).send({ json: true })
      })
      app.get('/error', async (_request, reply) => {
        emitters.push(reply.sse())
        return reply.send(new Error('sent'))
      })
      app.get('/hijacked', async (_request, reply) => {
        emitters.push(reply.sse())
        reply.hijack()
        reply.raw.end(String(reply.sent))
      })
      t.equal((await app.inject('/empty')).statusCode, 202)
      t.strictSame((await app.inject('/json')).json(), { json: true })
      t.match((await app.inject('/error')).json(), { message: 'An internal error occurred' })
      t.equal((await app.inject('/hijacked')).body, 'true')
      t.strictSame(await Promise.all(emitters.map(({ closed }) => closed)), ['complete', 'complete', 'error', 'complete'])
      t.equal(logs.filter(({ level }) => level >= WARN).length, 1, 'the error')
    })

    t.test('is answered if its stream was completed before it opened and a later send rejects', async t => {
      const { app, logs } = await create(t)
      app.get('/', async (_request, reply) => {
        const emitter = reply.sse()
        emitter.complete()
        await emitter.send('late')
      })
      const { statusCode, body } = await app.inject('/')
      t.equal(statusCode, 200)
      t.equal(body, '')
      t.strictSame(logs.filter(({ level }) => level >= WARN), [])
    })

    t.test('is refused by a limit', async t => {
      for (const refuse of ['status', 'retry'] as const) {
        const { app, listen } = await create(t, { maxConnections: 1, refuse })
        app.get('/', async (_request, reply) => reply.sse())
        app.get('/sync', (_request, reply) => reply.sse())
        app.get('/caught', async (_request, reply) => {
          try {
            return reply.sse()
          } catch {
            return await reply.code(202).send('caught')
          }
        })
        app.get('/other', async (_request, reply) => {
          try {
            return reply.sse()
          } catch {
            throw new Error('other')
          }
        })
        const url = await listen()
        await call(url).response
        for (const path of ['/', '/sync']) {
          const { status, body } = await call(new URL(path, url)).readAll()
          t.equal(status, refuse === 'retry' ? 200 : 503)
          if (refuse === 'retry') t.equal(decode(body).retries.length, 1)
          else t.match(JSON.parse(body), { code: 'SSE_ERR_FULL' })
        }
        t.match(await call(new URL('/caught', url)).readAll(), { status: 202, body: 'caught' })
        t.match(await call(new URL('/other', url)).readAll(), { status: 500, body: /other/ })
      }
    })

    t.test('turns its reply into a stream once, and not after it was sent', async t => {
      const { app } = await create(t)
      app.get('/twice', async (_request, reply) => {
        const emitter = reply.sse()
        t.throws(() => reply.sse(), { code: 'SSE_ERR_DUPLICATE' })
        emitter.complete()
      })
      app.get('/sent', async (_request, reply) => {
        reply.send('sent')
        t.throws(() => reply.sse(), { code: 'SSE_ERR_REPLY_SENT' })
        return reply
      })
      t.equal((await app.inject('/twice')).statusCode, 200)
      t.equal((await app.inject('/sent')).body, 'sent')
    })

    t.test('outlives the handler timeout of Fastify once it is open', { skip: NO_HANDLER_TIMEOUT }, async t => {
      const { app } = await create(t)
      app.get('/late', { handlerTimeout: 20 }, async (_request, reply) => {
        const emitter = reply.sse()
        await emitter.closed
      })
      app.get('/open', { handlerTimeout: 20 }, async (_request, reply) => {
        const emitter = reply.sse()
        emitter.open()
        setTimeout(() => emitter.send('x').then(() => emitter.complete()), 40)
        return reply
      })
      t.equal((await app.inject('/late')).statusCode, 503)
      t.strictSame(decode((await app.inject('/open')).body).events.map(({ data }) => data), ['x'])
    })

    t.test('may be one for unknown URLs', async t => {
      const { app } = await create(t)
      app.setNotFoundHandler(async (_request, reply) => {
        const emitter = reply.sse()
        emitter.send('nothing here')
        emitter.complete()
        return reply
      })
      t.equal((await app.inject('/unknown')).body, 'data:nothing here\n\n')
    })
  })
}
