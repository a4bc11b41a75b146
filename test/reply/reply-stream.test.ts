import type { FastifyReply, onSendHookHandler } from 'fastify'
import t from 'tap'
import type { SseEmitter, SseReason } from 'fastify-sse-emitter'
import { build, sleep, WARN } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'

/** Milliseconds that a slow hook takes. A client that disconnects does so while the hook runs. */
const SLOW = 60
const DISCONNECTS = 30

const slow: onSendHookHandler = async (_request, _reply, payload) => {
  await sleep(SLOW)
  return payload
}
const quick: onSendHookHandler = (_request, _reply, payload, done) => { done(null, payload) }

const HOOKS: Record<string, onSendHookHandler[]> = {
  'no hook': [],
  'a sync hook': [quick],
  'a slow hook': [slow],
  'sync and slow hooks': [quick, slow, quick],
  'a hook that throws': [async () => { throw new Error('thrown by the hook') }],
  'a hook that replaces the body': [async () => 'replaced']
}

const CLIENTS = ['GET', 'HEAD', 'a client that disconnects'] as const

type Finish = (emitter: SseEmitter) => void
/** @param sse calls `reply.sse()` and records how the stream ends */
type Handler = (reply: FastifyReply, sse: () => SseEmitter, finish: Finish) => unknown
interface Case { handler: Handler, status: number, reason: SseReason }

const ok = { status: 200, reason: 'complete' } as const
const failed = { status: 500, reason: 'error' } as const

const HANDLERS: Record<string, Case> = {
  'the emitter returned': {
    ...ok,
    handler: async (_reply, sse, finish) => {
      const emitter = sse()
      finish(emitter)
      return emitter
    }
  },
  'the emitter returned from a plain function': {
    ...ok,
    handler: (_reply, sse, finish) => {
      const emitter = sse()
      finish(emitter)
      return emitter
    }
  },
  'sent first, nothing returned': {
    ...ok,
    handler: async (_reply, sse, finish) => {
      const emitter = sse()
      emitter.send('a')
      finish(emitter)
    }
  },
  'sent, awaited, returned': {
    ...ok,
    handler: async (_reply, sse, finish) => {
      const emitter = sse()
      finish(emitter)
      await emitter.send('a')
      return emitter
    }
  },
  'the emitter sent': {
    ...ok,
    handler: async (reply, sse, finish) => {
      const emitter = sse()
      finish(emitter)
      return reply.send(emitter)
    }
  },
  'the reply returned': {
    ...ok,
    handler: async (reply, sse, finish) => {
      const emitter = sse()
      emitter.send('a')
      finish(emitter)
      return reply
    }
  },
  'nothing sent, nothing returned': {
    ...ok,
    handler: async (_reply, sse, finish) => {
      finish(sse())
    }
  },
  'completed early': {
    ...ok,
    handler: async (_reply, sse) => {
      const emitter = sse()
      emitter.send('a')
      emitter.complete()
      return emitter
    }
  },
  'completed before anything else': {
    ...ok,
    handler: async (_reply, sse) => {
      const emitter = sse()
      emitter.complete()
      return emitter
    }
  },
  'throws after opening': {
    status: 200,
    reason: 'error',
    handler: async (_reply, sse) => {
      const emitter = sse()
      emitter.send('a')
      throw new Error('thrown after opening')
    }
  },
  'throws before opening': {
    ...failed,
    handler: async (_reply, sse) => {
      sse()
      throw new Error('thrown before opening')
    }
  },
  'throws before opening, in a plain function': {
    ...failed,
    handler: (_reply, sse) => {
      sse()
      throw new Error('thrown before opening')
    }
  },
  'fails before opening': {
    ...failed,
    handler: async (_reply, sse) => {
      const emitter = sse()
      emitter.completeWithError(new Error('failed before opening'))
      return emitter
    }
  },
  'status 204': {
    status: 204,
    reason: 'complete',
    handler: async (reply, sse) => {
      reply.code(204)
      return sse()
    }
  },
  'a plain function that sends later': {
    ...ok,
    handler: (_reply, sse, finish) => {
      const emitter = sse()
      setTimeout(() => {
        emitter.send('a')
        finish(emitter)
      }, 10)
    }
  },
  'created, but a plain object returned': {
    ...ok,
    handler: async (_reply, sse) => {
      sse()
      return { plain: true }
    }
  }
}

process.on('warning', warning => { throw warning })

for (const [hookName, hooks] of Object.entries(HOOKS)) {
  t.test(hookName, async t => {
    t.jobs = 4
    for (const [name, { handler, status, reason }] of Object.entries(HANDLERS)) {
      for (const client of CLIENTS) {
        t.test(`${name}, ${client}`, { buffered: true }, async t => {
          const disconnects = client === 'a client that disconnects'
          const { app, logs, listen } = await build(t)
          for (const hook of hooks) app.addHook('onSend', hook)
          const completions: SseReason[] = []
          const finish: Finish = emitter => { setTimeout(() => emitter.complete(), disconnects ? 10_000 : 30).unref() }
          const created = new Promise<SseEmitter>(resolve => {
            app.get('/', (_request, reply) => handler(reply, () => {
              const emitter = reply.sse()
              emitter.onCompletion(reason => { completions.push(reason) })
              resolve(emitter)
              return emitter
            }, finish))
          })
          const { request, readAll } = call(await listen(), { method: client === 'HEAD' ? 'HEAD' : 'GET' })
          const emitter = await created
          if (disconnects) {
            await sleep(DISCONNECTS)
            request.destroy()
          } else {
            const { status: got, body } = await readAll()
            t.equal(got, hookName === 'a hook that throws' ? 500 : status, 'status')
            if (client === 'HEAD') t.equal(body, '', 'no body')
          }
          await emitter.closed
          await sleep(disconnects ? SLOW : 10)
          t.equal(emitter.state, 'closed', 'closed')
          t.equal(completions.length, 1, 'one completion')
          t.equal(app.sse.size, 0, 'no stream left in app.sse')
          if (client === 'GET') t.equal(completions[0], hookName === 'a hook that throws' ? 'error' : reason, 'reason')
          t.strictSame(logs.filter(line => line.level >= WARN && !/^(thrown|failed) /.test(line.err?.message ?? '')), [], 'no warnings')
        })
      }
    }
  })
}

for (const [name, fail] of Object.entries<() => unknown>({
  'throws undefined': async () => { throw undefined }, // eslint-disable-line no-throw-literal -- the test is about that
  'rejects without a reason': () => Promise.reject(), // eslint-disable-line prefer-promise-reject-errors -- the test is about that
  'throws null': async () => { throw null }, // eslint-disable-line no-throw-literal -- the test is about that
  'throws undefined synchronously': () => { throw undefined } // eslint-disable-line no-throw-literal -- the test is about that
})) {
  for (const opened of [true, false]) {
    t.test(`a handler that ${name} ${opened ? 'after' : 'before'} opening ends its stream as failed`, async t => {
      const { app, logs, listen } = await build(t)
      const reasons: SseReason[] = []
      app.get('/', (_request, reply) => {
        const emitter = reply.sse()
        emitter.onCompletion(reason => { reasons.push(reason) })
        if (opened) emitter.send('a')
        return fail()
      })
      const { status, body } = await call(await listen()).readAll()
      t.equal(status, opened ? 200 : 500)
      if (opened) {
        t.strictSame(decode(body).events.map(({ event, data }) => [event, data]), [[undefined, 'a'], ['sse-error', '{"code":"INTERNAL_ERROR","message":"An internal error occurred","retryable":false}']])
        t.match(logs.filter(({ level }) => level >= WARN), [{ msg: 'event stream failed' }])
      }
      t.strictSame(reasons, ['error'])
    })
  }
}
