import { LLMock } from '@copilotkit/aimock'
import { simulateReadableStream, streamText } from 'ai'
import { MockLanguageModelV3 } from 'ai/test'
import type { FastifyInstance } from 'fastify'
import { event } from 'fastify-sse-emitter'
import { streamChatCompletions, type ModelDeltas } from 'fastify-sse-emitter/llm'
import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { chatChunk, DONE, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

const content = 'Größe, 你好, 😀: all of it.'
const messages = [{ role: 'user' as const, content: 'answer' }]
const mock = new LLMock({ port: 0, latency: 2, chunkSize: 3, logLevel: 'silent' })
mock.onMessage('answer', { content })

t.before(() => mock.start())
t.teardown(() => mock.stop())

/** The text that a client receives from the route `/`, in events of type `delta`. */
async function receivedText (t: Test, addRoute: (app: FastifyInstance) => void): Promise<string> {
  const { app, listen } = await build(t)
  addRoute(app)
  const { status, body } = await call(await listen()).readAll()
  t.equal(status, 200)
  const { events } = decode(body)
  t.ok(events.length > 3, 'in several events')
  t.ok(events.every(({ event }) => event === 'delta'))
  return events.map(({ data }) => JSON.parse(data).text).join('')
}

t.test('an answer is relayed from streamChatCompletions()', async t => {
  t.equal(await receivedText(t, app => {
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.sendAll(async function * (signal: AbortSignal) {
        for await (const delta of streamChatCompletions({ model: 'gpt-4o', messages }, { baseURL: `${mock.url}/v1`, signal })) {
          if (delta.type === 'text') yield event({ text: delta.text }, { event: 'delta' })
        }
      })
      emitter.complete()
      return emitter
    })
  }), content)
})

t.test('an answer is relayed from the openai package', async t => {
  const openai = new OpenAI({ baseURL: `${mock.url}/v1`, apiKey: 'k' })
  t.equal(await receivedText(t, app => {
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.sendAll(async function * (signal: AbortSignal) {
        for await (const { choices: [choice] } of await openai.chat.completions.create({ model: 'gpt-4o', stream: true, messages }, { signal })) {
          const text = choice?.delta.content
          if (text) yield event({ text }, { event: 'delta' })
        }
      })
      emitter.complete()
      return emitter
    })
  }), content)
})

t.test('an answer is relayed from the ai package', async t => {
  const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } }
  const model = new MockLanguageModelV3({
    doStream: async () => ({
      stream: simulateReadableStream({
        initialDelayInMs: 0,
        chunkDelayInMs: 2,
        chunks: [
          { type: 'text-start', id: '1' },
          ...(content.match(/.{1,3}/gu) ?? []).map(delta => ({ type: 'text-delta' as const, id: '1', delta })),
          { type: 'text-end', id: '1' },
          { type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage }
        ]
      })
    })
  })
  t.equal(await receivedText(t, app => {
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      await emitter.sendAll(async function * (abortSignal: AbortSignal) {
        for await (const text of streamText({ model, messages, abortSignal }).textStream) yield event({ text }, { event: 'delta' })
      })
      emitter.complete()
      return emitter
    })
  }), content)
})

/** Starts a route that opens its stream at the first delta. */
async function openAtFirstDelta (t: Test, respond: (request: ReceivedRequest) => void): Promise<URL> {
  const { baseURL } = await startUpstream(t, respond)
  const { app, listen } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    const deltas = streamChatCompletions({ model: 'm', messages: [] }, { baseURL, apiKey: 'a secret', signal: emitter.signal, retries: 0 })
    const first = await deltas.next()
    await emitter.sendAll(async function * () {
      yield event(first.value)
      yield * deltas
    })
    emitter.complete()
  })
  return await listen()
}

t.test('a route that opens its stream at the first delta responds to an earlier failure with an error status', async t => {
  const cases: Array<[respond: (request: ReceivedRequest) => void, status: number, retryAfter: string | undefined]> = [
    [request => { request.respond(429, { 'retry-after': '7' }, '{"error":{"message":"a secret"}}') }, 429, '7'],
    [request => { request.respond(401, {}, 'a secret') }, 502, undefined],
    [request => { request.respond(200, { 'content-type': 'text/html' }, 'a secret') }, 502, undefined]
  ]
  for (const [respond, status, retryAfter] of cases) {
    const response = await call(await openAtFirstDelta(t, respond)).readAll()
    t.equal(response.status, status)
    t.equal(response.headers['retry-after'], retryAfter)
    t.notMatch(response.body, /secret/)
  }
})

t.test('a route that opens its stream at the first delta sends all deltas', async t => {
  const url = await openAtFirstDelta(t, request => { request.stream(chatChunk({ content: 'Hel' }), chatChunk({ content: 'lo' }), chatChunk({}, 'stop'), DONE).end() })
  const { status, body } = await call(url).readAll()
  t.equal(status, 200)
  t.strictSame(decode(body).events.map(({ data }) => JSON.parse(data).text ?? JSON.parse(data).reason), ['Hel', 'lo', 'stop'])
})

t.test('a failure before the first delta makes sendAll() reject before the stream opens', async t => {
  const { baseURL } = await startUpstream(t, request => { request.respond(429, { 'retry-after': '7' }, '{}') })
  const { app, listen } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.sendAll(streamChatCompletions({ model: 'm', messages }, { baseURL }))
    emitter.complete()
    return emitter
  })
  const { status, headers, body } = await call(await listen()).readAll()
  t.equal(status, 429)
  t.equal(headers['retry-after'], '7')
  t.match(JSON.parse(body), { code: 'upstream_rate_limit' })
})

t.test('a client that disconnects closes the connection to the model', async t => {
  const sources: Record<string, (baseURL: string) => ModelDeltas | ((signal: AbortSignal) => AsyncIterable<unknown>)> = {
    'deltas passed to sendAll()': baseURL => streamChatCompletions({ model: 'm', messages }, { baseURL }),
    'deltas read with its signal': baseURL => async function * (signal: AbortSignal) {
      for await (const delta of streamChatCompletions({ model: 'm', messages }, { baseURL, signal })) yield event(delta, { event: 'delta' })
    }
  }
  for (const [name, source] of Object.entries(sources)) {
    for (const [moment, chunks] of [['before the first delta', []], ['between two deltas', [chatChunk({ content: 'Hi' })]]] as const) {
      const { baseURL, nextRequest } = await startUpstream(t, request => { request.stream(...chunks) })
      const { app, listen } = await build(t)
      app.get('/', async (_request, reply) => {
        const emitter = reply.sse()
        emitter.open()
        await emitter.sendAll(source(baseURL) as AsyncIterable<unknown>)
      })
      const received = nextRequest()
      const { request, response } = call(await listen())
      request.on('error', () => {})
      await response
      const upstreamRequest = await received
      request.destroy()
      await upstreamRequest.closed
      t.pass(`${name}, ${moment}`)
    }
  }
})
