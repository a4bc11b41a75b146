import t from 'tap'
import type { SseReason } from 'fastify-sse-emitter'
import { build, WARN } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { replyMatrix } from '../fixtures/reply-matrix.ts'

process.on('warning', warning => { throw warning })

replyMatrix(t, build)

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
