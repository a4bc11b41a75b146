import { readFileSync } from 'node:fs'
import t from 'tap'
import type { SseEmitter, SseStreamOptions } from 'fastify-sse-emitter'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { until } from '../fixtures/until.ts'

/** What the SseEmitter of Spring 4.3 sent in each case, and how this package compares. */
const { cases } = JSON.parse(readFileSync(new URL('../fixtures/vectors/spring-sse-emitter.json', import.meta.url), 'utf8')) as {
  cases: Array<{ name: string, springBody: string, ours: 'equal' | 'same event' | 'differs' }>
}

interface Ours {
  options?: SseStreamOptions
  /** Sends the same with this package. */
  run: (emitter: SseEmitter) => unknown
  status?: number
  /** The events that this package sends, if they differ. */
  delivers?: unknown[]
}

const boom = new Error('boom')

const OURS: Record<string, Ours> = {
  seed: {
    options: { timeout: 360_000 },
    run: async emitter => {
      await emitter.send('start')
      for (let index = 1; index <= 10; index++) await emitter.send(`Thread-2: the next index:${index}`)
      emitter.complete()
    }
  },
  early: { run: emitter => { emitter.send('a'); emitter.send('b'); emitter.complete() } },
  unicode: { run: emitter => { emitter.send('你好，😀'); emitter.complete() } },
  empty: { run: emitter => { emitter.send(''); emitter.complete() } },
  'comment-only': { run: emitter => { emitter.comment('ping'); emitter.complete() } },
  json: { run: emitter => { emitter.send({ a: 1, b: 'x' }); emitter.complete() } },
  builder: {
    run: emitter => {
      emitter.send('d1\nd2', { comment: 'c', id: '7', event: 'tick', retry: 5_000 })
      emitter.complete()
    }
  },
  multiline: {
    run: emitter => { emitter.send('one\ntwo\nthree'); emitter.complete() },
    delivers: [{ data: 'one\ntwo\nthree' }]
  },
  crlf: {
    run: emitter => { emitter.send('one\r\ntwo\rthree'); emitter.complete() },
    delivers: [{ data: 'one\ntwo\nthree' }]
  },
  'leading-space': {
    run: emitter => { emitter.send(' lead'); emitter.complete() },
    delivers: [{ data: ' lead' }]
  },
  'multiline-comment': {
    run: emitter => { emitter.send('x', { comment: 'a\nb' }); emitter.complete() },
    delivers: [{ data: 'x' }]
  },
  'newline-in-name': {
    run: async emitter => {
      await emitter.send('x', { event: 'a\ndata:injected' }).then(() => { throw new Error('not refused') }, () => {})
      emitter.complete()
    },
    delivers: []
  },
  'send-after-complete': {
    run: async emitter => {
      emitter.send('a')
      emitter.complete()
      await emitter.send('b').then(() => { throw new Error('not refused') }, () => {})
    }
  },
  'complete-twice': { run: emitter => { emitter.send('a'); emitter.complete(); emitter.complete() } },
  'error-after': {
    run: emitter => { emitter.send('a'); emitter.completeWithError(boom) },
    delivers: [{ data: 'a' }, { event: 'sse-error', data: '{"code":"INTERNAL_ERROR","message":"An internal error occurred","retryable":false}' }]
  },
  'error-before': {
    run: emitter => { emitter.completeWithError(boom) },
    status: 500
  },
  'timeout-after': { options: { timeout: 80 }, run: emitter => emitter.send('a') },
  'timeout-before': { options: { timeout: 80 }, run: () => {}, delivers: [] }
}

for (const { name, springBody, ours } of cases) {
  t.test(`${name}: ${ours}`, async t => {
    const { options, run, status = 200, delivers } = OURS[name]!
    const { app, listen } = await build(t)
    const ends: string[] = []
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse(options)
      emitter.onTimeout(() => { ends.push('timeout') })
      emitter.onCompletion(() => { ends.push('completion') })
      await run(emitter)
      return emitter
    })
    const { status: got, body } = await call(await listen()).readAll()
    t.equal(got, status)
    if (ours === 'equal') t.equal(body, springBody, 'the same bytes')
    else if (ours === 'same event') t.strictSame(decode(body), decode(springBody))
    else if (delivers !== undefined) t.strictSame(decode(body).events, delivers.map(event => ({ id: undefined, event: undefined, ...event as object })))
    else t.match(JSON.parse(body), { statusCode: status, code: 'INTERNAL_ERROR' })
    await until(() => ends.includes('completion'), 'the stream is closed')
    t.strictSame(ends, name.startsWith('timeout') ? ['timeout', 'completion'] : ['completion'])
  })
}

t.test('every recorded case is compared', async t => {
  t.strictSame(Object.keys(OURS).sort(), cases.map(({ name }) => name).sort())
})
