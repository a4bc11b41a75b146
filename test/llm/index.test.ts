import { LLMock } from '@copilotkit/aimock'
import type OpenAI from 'openai'
import t from 'tap'
import * as llm from 'fastify-sse-emitter/llm'
import type { ModelOptions } from 'fastify-sse-emitter/llm'
import { collect } from '../fixtures/upstream.ts'

const content = 'Größe, 你好, 😀: split between any two bytes.'
const mock = new LLMock({ port: 0, latency: 2, chunkSize: 3, logLevel: 'silent' })
mock.onMessage('answer', { content, reasoning: 'Well, well.' })
mock.onMessage('tools', { toolCalls: [{ name: 'add', arguments: '{"a":1,"b":2}' }, { name: 'sub', arguments: '{"a":3}' }] })
mock.onMessage('cut', { content }, { truncateAfterChunks: 4 })
mock.onMessage('rate limit', { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 })

t.before(() => mock.start())
t.teardown(() => mock.stop())

type Ask = (messages: Array<{ role: 'user', content: string }>, options: ModelOptions) => llm.ModelDeltas

const PROTOCOLS: Record<string, [path: string, ask: Ask]> = {
  'Chat Completions': ['/v1', (messages, options) => llm.streamChatCompletions({ model: 'gpt-4o', messages, temperature: 0 }, options)],
  Responses: ['/v1', (input, options) => llm.streamResponses({ model: 'gpt-4o', input, store: false }, options)],
  Messages: ['/v1', (messages, options) => llm.streamMessages({ model: 'claude-sonnet-4-5', max_tokens: 100, messages, temperature: 0 }, options)],
  'Ollama chat': ['', (messages, options) => llm.streamOllamaChat({ model: 'llama3', messages, options: { seed: 1 } }, options)]
}

for (const [name, [path, ask]] of Object.entries(PROTOCOLS)) {
  t.test(name, async t => {
    const send = async (content: string): ReturnType<typeof collect> =>
      await collect(ask([{ role: 'user', content }], { baseURL: mock.url + path, apiKey: 'k', retries: 0 }))

    t.test('streams text and ends with one finish delta', async t => {
      const { text, deltas, error } = await send('answer')
      t.equal(error, undefined)
      t.equal(text, content)
      t.ok(deltas.filter(({ type }) => type === 'text').length > 5, 'in several deltas')
      t.match(deltas.at(-1), { type: 'finish', reason: 'stop', usage: { totalTokens: Number } })
      t.equal(deltas.filter(({ type }) => type === 'finish').length, 1)
    })

    t.test('streams tool calls', async t => {
      const { deltas, error } = await send('tools')
      t.equal(error, undefined)
      const calls: Array<{ name: string | undefined, arguments: string }> = []
      for (const delta of deltas) {
        if (delta.type !== 'tool-call') continue
        const call = calls[delta.index] ??= { name: delta.name, arguments: '' }
        call.arguments += delta.arguments
      }
      t.strictSame(calls, [{ name: 'add', arguments: '{"a":1,"b":2}' }, { name: 'sub', arguments: '{"a":3}' }])
      t.match(deltas.at(-1), { type: 'finish', reason: 'tool-calls' })
    })

    t.test('rejects if the answer is cut off', async t => {
      const { text, deltas, error } = await send('cut')
      t.ok(content.startsWith(text))
      t.notOk(deltas.some(({ type }) => type === 'finish'))
      t.match(error, { name: 'ModelError', code: /^(upstream_cut|truncated)$/ })
    })

    t.test('rejects if the model is rate limited', async t => {
      // For Anthropic, a 429 without Retry-After is an exhausted quota.
      t.match((await send('rate limit')).error, { name: 'ModelError', upstreamStatus: 429, code: /^upstream_(rate_limit|quota)$/ })
    })
  })
}

t.test('invalid options and bodies throw immediately', async t => {
  const body = { model: 'm', max_tokens: 1, messages: [] }
  for (const stream of [llm.streamChatCompletions, llm.streamResponses, llm.streamMessages, llm.streamOllamaChat]) {
    t.throws(() => stream(body, { baseURL: 'models.example' }), { code: 'SSE_ERR_OPTION' })
    t.throws(() => stream(null as unknown as typeof body, { baseURL: 'http://models.example' }), { code: 'SSE_ERR_OPTION' })
  }
})

t.test('a body can have the type of the openai package', async t => {
  const body: OpenAI.ChatCompletionCreateParamsStreaming = { model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'answer' }] }
  t.equal((await collect(llm.streamChatCompletions(body, { baseURL: `${mock.url}/v1` }))).text, content)
  const responses: OpenAI.Responses.ResponseCreateParamsStreaming = { model: 'gpt-4o', stream: true, input: 'answer' }
  t.equal((await collect(llm.streamResponses(responses, { baseURL: `${mock.url}/v1` }))).text, content)
})

t.test('the errors are exported', async t => {
  t.ok(new llm.ModelError('truncated') instanceof Error)
  t.equal(llm.MODEL_ERRORS.truncated.statusCode, 502)
})
