import type { FastifyReply } from 'fastify'
import t from 'tap'
import type { SseEmitter } from 'fastify-sse-emitter'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'

type Handler = (reply: FastifyReply, emitter: SseEmitter) => unknown

const HANDLERS: Record<string, Handler> = {
  'returned from an async handler': async (reply, emitter) => reply.send(emitter),
  'returned from a plain function': (reply, emitter) => reply.send(emitter),
  'called in an async handler that returns the reply': async (reply, emitter) => {
    reply.send(emitter)
    return reply
  },
  'called in a plain function that returns nothing': (reply, emitter) => { reply.send(emitter) },
  'called later': (reply, emitter) => { setImmediate(() => reply.send(emitter)) },
  'called after a send': async (reply, emitter) => {
    emitter.send('first')
    return reply.send(emitter)
  },
  'called twice': async (reply, emitter) => {
    reply.send(emitter)
    return reply.send(emitter)
  }
}

for (const [name, handler] of Object.entries(HANDLERS)) {
  for (const hook of [false, true]) {
    t.test(`reply.send(emitter) ${name}, ${hook ? 'with' : 'without'} an onSend hook, opens the stream`, async t => {
      const { app, logs, listen } = await build(t)
      if (hook) {
        app.addHook('onSend', async (_request, _reply, payload) => {
          await new Promise(resolve => { setTimeout(resolve, 5) })
          return payload
        })
      }
      const reasons: string[] = []
      app.get('/', (_request, reply) => {
        const emitter = reply.sse()
        emitter.onCompletion(reason => { reasons.push(reason) })
        const result = handler(reply, emitter)
        const timer = setInterval(() => {
          if (emitter.state !== 'open') return
          clearInterval(timer)
          emitter.send('last')
          emitter.complete()
        }, 1)
        t.teardown(() => clearInterval(timer))
        return result
      })
      const { status, headers, body } = await call(await listen()).readAll()
      t.equal(status, 200)
      t.equal(headers['content-type'], 'text/event-stream; charset=utf-8')
      t.equal(decode(body).events.at(-1)!.data, 'last')
      t.strictSame(reasons, ['complete'])
      t.strictSame(logs.filter(({ level }) => level >= 40), [])
    })
  }
}

t.test('reply.send() of anything else answers as it does without a stream', async t => {
  const { app } = await build(t)
  app.get('/', async (_request, reply) => {
    reply.sse()
    return reply.code(201).send({ a: 1 })
  })
  const response = await app.inject('/')
  t.equal(response.statusCode, 201)
  t.strictSame(response.json(), { a: 1 })
})

t.test('the emitter of another reply is sent as JSON', async t => {
  const { app } = await build(t)
  let other: SseEmitter | undefined
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    if (other !== undefined) return reply.send(other)
    other = emitter
    emitter.complete()
    return reply
  })
  await app.inject('/')
  t.equal((await app.inject('/')).body, '{}')
})

t.test('reply.sse() throws outside a handler, at the second call, and after the reply was sent', async t => {
  const { app } = await build(t)
  const codes: unknown[] = []
  const attempt = (reply: FastifyReply): void => {
    try {
      reply.sse()
    } catch (error) {
      codes.push((error as { code: string }).code)
    }
  }
  app.addHook('onRequest', async (_request, reply) => { attempt(reply) })
  app.get('/twice', async (_request, reply) => {
    reply.sse().complete()
    attempt(reply)
  })
  app.get('/sent', async (_request, reply) => {
    reply.send('x')
    attempt(reply)
    return reply
  })
  await app.inject('/twice')
  await app.inject('/sent')
  t.strictSame(codes, ['SSE_ERR_NOT_READY', 'SSE_ERR_DUPLICATE', 'SSE_ERR_NOT_READY', 'SSE_ERR_REPLY_SENT'])
})
