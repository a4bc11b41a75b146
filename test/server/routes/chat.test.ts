import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { chat } from '../../../server/routes/chat.ts'
import { build } from '../../fixtures/app.ts'
import { decode } from '../../fixtures/client.ts'
import { demo, scriptedModel } from '../../fixtures/demo.ts'

const QUESTION = { messages: [{ role: 'user', content: 'What is SSE?' }] }

async function setup (t: Test, model = scriptedModel('Hel', 'lo')): Promise<FastifyInstance> {
  const { app } = await build(t)
  await app.register(chat, model)
  return app
}

interface Started { status: number, body: { id: string, url: string, code: string }, headers: Record<string, unknown> }

async function start (app: FastifyInstance, payload: unknown = QUESTION, headers: Record<string, string> = {}): Promise<Started> {
  const response = await app.inject({ method: 'POST', url: '/chat', payload: payload as object, headers })
  return { status: response.statusCode, headers: response.headers, body: response.json() }
}

async function watch (app: FastifyInstance, url: string, headers: Record<string, string> = {}): Promise<{ status: number, events: Array<[string | undefined, unknown]>, last: string }> {
  const { statusCode, body } = await app.inject({ url, headers })
  const { events } = statusCode === 200 ? decode(body) : { events: [] }
  return { status: statusCode, events: events.map(({ event, data }) => [event, JSON.parse(data)]), last: events.at(-1)?.id ?? '' }
}

const HELLO = [['sse-ready', {}], ['delta', { text: 'Hel' }], ['delta', { text: 'lo' }], ['done', { finishReason: 'stop', usage: null }]]

t.test('an answer is started once and can be watched many times', async t => {
  const model = scriptedModel('Hel', 'lo')
  const app = await setup(t, model)
  const { status, body: { id, url }, headers } = await start(app)
  t.equal(status, 201)
  t.equal(url, `/chat/${id}`)
  t.equal(headers['location'], url)
  const first = await watch(app, url)
  t.strictSame(first.events, HELLO)
  t.strictSame((await watch(app, url)).events, HELLO)
  t.equal((await watch(app, url, { 'last-event-id': first.last })).status, 204)
  t.strictSame(model.conversations, [QUESTION.messages], 'the model is called once')
})

t.test('a request repeated with its idempotency key starts nothing', async t => {
  const model = scriptedModel('Hello')
  const app = await setup(t, model)
  const key = { 'idempotency-key': 'key' }
  const [first, again] = [await start(app, QUESTION, key), await start(app, { messages: [{ content: 'What is SSE?', role: 'user' }] }, key)]
  t.strictSame([first.status, again.status], [201, 200])
  t.equal(again.body.id, first.body.id)
  const other = await start(app, { messages: [{ role: 'user', content: 'Something else' }] }, key)
  t.strictSame([other.status, other.body.code], [422, 'SSE_ERR_IDEMPOTENCY_KEY'])
  t.not((await start(app, QUESTION, { 'idempotency-key': 'other' })).body.id, first.body.id)
  t.not((await start(app)).body.id, (await start(app)).body.id)
  t.equal(model.conversations.length, 4)
})

t.test('DELETE stops an answer', async t => {
  const model = scriptedModel('Hel', new Promise(() => {}), 'lo')
  const app = await setup(t, model)
  const { body: { url } } = await start(app)
  const watching = watch(app, url)
  const stop = async (url: string): Promise<number> => (await app.inject({ method: 'DELETE', url })).statusCode
  t.strictSame([await stop(url), await stop(url)], [204, 204])
  const { events } = await watching
  t.strictSame(events.at(-1), ['aborted', { reason: 'cancelled' }])
  t.equal(model.signals[0]!.aborted, true)
})

t.test('the failure of a model is reported without internal details', async t => {
  const app = await setup(t, scriptedModel('Hel', new Error('the key is 1234')))
  const { body: { url } } = await start(app)
  const { events } = await watch(app, url)
  t.strictSame(events.slice(1), [['delta', { text: 'Hel' }], ['failed', { code: 'producer_failed', message: 'An internal error occurred', retryable: false }]])
})

t.test('an unknown id is answered with 404', async t => {
  const app = await setup(t)
  for (const id of ['x', 'a:b', 'x'.repeat(65), '%00']) {
    for (const method of ['GET', 'DELETE'] as const) {
      const { statusCode, body } = await app.inject({ method, url: `/chat/${id}` })
      t.equal(statusCode, 404, id)
      t.equal(JSON.parse(body).statusCode, 404)
    }
  }
})

t.test('an invalid request is refused', async t => {
  const { app } = await demo(t)
  const message = { role: 'user', content: 'x' }
  const rows: Array<[payload: unknown, status: number]> = [
    [{}, 400],
    [{ messages: [] }, 400],
    [{ messages: 'x' }, 400],
    [{ messages: [{ role: 'user' }] }, 400],
    [{ messages: [{ ...message, role: 'nobody' }] }, 400],
    [{ messages: [{ ...message, content: 7 }] }, 400],
    [{ messages: [{ ...message, name: 'x' }] }, 400],
    [{ messages: [message], model: 'x' }, 400],
    [{ messages: Array.from({ length: 101 }, () => message) }, 400],
    [{ messages: [{ role: 'user', content: 'x'.repeat(65_536) }] }, 413],
    [{ messages: Array.from({ length: 100 }, () => message) }, 201]
  ]
  for (const [payload, status] of rows) t.equal((await start(app, payload)).status, status, JSON.stringify(payload).slice(0, 60))
  t.equal((await start(app, { messages: [message] }, { 'idempotency-key': 'ü' })).status, 400)
})

t.test('the built-in model is requested over HTTP like any other', async t => {
  const { app } = await demo(t)
  const { body: { url } } = await start(app, { messages: [{ role: 'user', content: 'repeat: one two three' }] })
  const { events } = await watch(app, url)
  t.equal(events.filter(([type]) => type === 'delta').map(([, data]) => (data as { text: string }).text).join(''), 'one two three')
  t.match(events.at(-1), ['done', { finishReason: 'stop', usage: { inputTokens: Number, outputTokens: Number, totalTokens: Number } }])
})
