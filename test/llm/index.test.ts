import { LLMock } from '@copilotkit/aimock'
import type OpenAI from 'openai'
import t from 'tap'
import * as llm from 'fastify-sse-emitter/llm'
import type { ModelDelta, ModelOptions } from 'fastify-sse-emitter/llm'
import { collect } from '../fixtures/upstream.ts'

const content = 'Größe, 你好, 😀: all of it, and whole.'
const mock = new LLMock({ port: 0, latency: 2, chunkSize: 3, logLevel: 'silent' })
mock.onMessage('say', { content, reasoning: 'Well, well.' })
mock.onMessage('call', { toolCalls: [{ name: 'add', arguments: '{"a":1,"b":2}' }, { name: 'sub', arguments: '{"a":3}' }] })
mock.onMessage('cut', { content }, { truncateAfterChunks: 4 })
mock.onMessage('busy', { error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 })

t.before(() => mock.start())
t.teardown(() => mock.stop())

type Asking = (messages: Array<{ role: 'user', content: string }>, options: ModelOptions) => AsyncGenerator<ModelDelta, void, undefined>

const PROTOCOLS: Record<string, [path: string, ask: Asking]> = {
  'Chat Completions': ['/v1', (messages, options) => llm.streamChatCompletions({ model: 'gpt-4o', messages, temperature: 0 }, options)],
  Responses: ['/v1', (input, options) => llm.streamResponses({ model: 'gpt-4o', input, store: false }, options)],
  Messages: ['/v1', (messages, options) => llm.streamMessages({ model: 'claude-sonnet-4-5', max_tokens: 100, messages, temperature: 0 }, options)],
  'Ollama\'s chat': ['', (messages, options) => llm.streamOllamaChat({ model: 'llama3', messages, options: { seed: 1 } }, options)]
}

for (const [name, [path, stream]] of Object.entries(PROTOCOLS)) {
  t.test(`a model that speaks ${name}`, async t => {
    const ask = async (content: string, options: Partial<ModelOptions> = {}): ReturnType<typeof collect> =>
      await collect(stream([{ role: 'user', content }], { baseURL: mock.url + path, apiKey: 'k', retries: 0, ...options }))

    t.test('says something', async t => {
      const { text, deltas, error } = await ask('say')
      t.equal(error, undefined)
      t.equal(text, content)
      t.ok(deltas.filter(({ type }) => type === 'text').length > 5, 'piece by piece')
      t.match(deltas.at(-1), { type: 'finish', reason: 'stop', usage: { totalTokens: Number } })
      t.equal(deltas.filter(({ type }) => type === 'finish').length, 1)
    })

    t.test('calls tools', async t => {
      const { deltas, error } = await ask('call')
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

    t.test('is cut off', async t => {
      const { text, deltas, error } = await ask('cut')
      t.ok(content.startsWith(text))
      t.notOk(deltas.some(({ type }) => type === 'finish'))
      t.match(error, { name: 'ModelError', code: /^(upstream_cut|truncated)$/ })
    })

    t.test('is busy', async t => {
      // Without Retry-After, Anthropic means something else by it.
      t.match((await ask('busy')).error, { name: 'ModelError', upstreamStatus: 429, code: /^upstream_(rate_limit|quota)$/ })
    })
  })
}

t.test('what is wrong is refused at once', async t => {
  const body = { model: 'm', max_tokens: 1, messages: [] }
  for (const stream of [llm.streamChatCompletions, llm.streamResponses, llm.streamMessages, llm.streamOllamaChat]) {
    t.throws(() => stream(body, { baseURL: 'models.example' }), { code: 'SSE_ERR_OPTION' })
    t.throws(() => stream(null as unknown as typeof body, { baseURL: 'http://models.example' }), { code: 'SSE_ERR_OPTION' })
  }
})

t.test('a body may have the type of another package', async t => {
  const body: OpenAI.ChatCompletionCreateParamsStreaming = { model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'say' }] }
  t.equal((await collect(llm.streamChatCompletions(body, { baseURL: `${mock.url}/v1` }))).text, content)
  const responses: OpenAI.Responses.ResponseCreateParamsStreaming = { model: 'gpt-4o', stream: true, input: 'say' }
  t.equal((await collect(llm.streamResponses(responses, { baseURL: `${mock.url}/v1` }))).text, content)
})

t.test('it has the errors', async t => {
  t.ok(new llm.ModelError('truncated') instanceof Error)
  t.equal(llm.MODEL_ERRORS.truncated.statusCode, 502)
})
