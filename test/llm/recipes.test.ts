import { LLMock } from '@copilotkit/aimock'
import { simulateReadableStream, streamText } from 'ai'
import { MockLanguageModelV3 } from 'ai/test'
import type { FastifyInstance } from 'fastify'
import { event } from 'fastify-sse-emitter'
import { streamChatCompletions } from 'fastify-sse-emitter/llm'
import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { chat, upstream } from '../fixtures/upstream.ts'

const content = 'Größe, 你好, 😀: all of it.'
const messages = [{ role: 'user' as const, content: 'say' }]
const mock = new LLMock({ port: 0, latency: 2, chunkSize: 3, logLevel: 'silent' })
mock.onMessage('say', { content })

t.before(() => mock.start())
t.teardown(() => mock.stop())

/** The text that a client reads at `/`, by events of the type `delta`. */
async function said (t: Test, route: (app: FastifyInstance) => void): Promise<string> {
  const { app, listen } = await build(t)
  route(app)
  const { status, body } = await call(await listen()).answer()
  t.equal(status, 200)
  const { events } = decode(body)
  t.ok(events.length > 3, 'piece by piece')
  t.ok(events.every(({ event }) => event === 'delta'))
  return events.map(({ data }) => JSON.parse(data).text).join('')
}

t.test('a model that is asked by us', async t => {
  t.equal(await said(t, app => {
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

t.test('a model that is asked by the package `openai`', async t => {
  const openai = new OpenAI({ baseURL: `${mock.url}/v1`, apiKey: 'k' })
  t.equal(await said(t, app => {
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

t.test('a model that is asked by the package `ai`', async t => {
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
  t.equal(await said(t, app => {
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

t.test('a model that fails before there is a delta makes an error response', async t => {
  const { baseURL } = await upstream(t, asked => { asked.answer(429, { 'retry-after': '7' }, '{}') })
  const { app, listen } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.sendAll(streamChatCompletions({ model: 'm', messages }, { baseURL }))
    emitter.complete()
    return emitter
  })
  const { status, headers, body } = await call(await listen()).answer()
  t.equal(status, 429)
  t.equal(headers['retry-after'], '7')
  t.match(JSON.parse(body), { code: 'upstream_rate_limit' })
})

t.test('a client that leaves closes the connection to the model', async t => {
  const ways: Record<string, (baseURL: string) => unknown> = {
    'also while it waits, and by itself': baseURL => streamChatCompletions({ model: 'm', messages }, { baseURL }),
    'and where it is told to': baseURL => async function * (signal: AbortSignal) {
      for await (const delta of streamChatCompletions({ model: 'm', messages }, { baseURL, signal })) yield event(delta, { event: 'delta' })
    }
  }
  for (const [way, source] of Object.entries(ways)) {
    for (const [moment, begin] of [['before the first delta', []], ['between two', [chat({ content: 'Hi' })]]] as const) {
      const { baseURL, next } = await upstream(t, asked => { asked.stream(...begin) })
      const { app, listen } = await build(t)
      app.get('/', async (_request, reply) => {
        const emitter = reply.sse()
        emitter.open()
        await emitter.sendAll(source(baseURL) as AsyncIterable<unknown>)
      })
      const coming = next()
      const { request, response } = call(await listen())
      request.on('error', () => {})
      await response
      const asked = await coming
      request.destroy()
      await asked.closed
      t.pass(`${moment}, ${way}`)
    }
  }
})
