import t from 'tap'
import { buildRequest, type ModelRequest } from '../../plugin/llm/build-request.ts'
import { resolveModelOptions, type ModelOptions } from '../../plugin/llm/options.ts'
import { anthropicMessages } from '../../plugin/llm/protocols/anthropic-messages.ts'
import { ollamaChat } from '../../plugin/llm/protocols/ollama-chat.ts'
import { openaiChatCompletions } from '../../plugin/llm/protocols/openai-chat-completions.ts'
import { openaiResponses } from '../../plugin/llm/protocols/openai-responses.ts'
import type { Protocol } from '../../plugin/llm/protocols/protocol.ts'

const baseURL = 'https://models.example/v1'

const build = (protocol: Protocol, options: Partial<ModelOptions> = {}, body: object = { model: 'm' }): ModelRequest =>
  buildRequest(protocol, resolveModelOptions({ baseURL, ...options }), body)

t.test('every protocol has its path, headers and body', t => {
  const contentType = { 'content-type': 'application/json' }
  const bearer = { authorization: 'Bearer k' }
  t.match(build(openaiChatCompletions, { apiKey: 'k' }), {
    origin: 'https://models.example',
    path: '/v1/chat/completions',
    headers: { accept: 'text/event-stream', ...contentType, ...bearer },
    body: '{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
  })
  t.match(build(openaiResponses, { apiKey: 'k' }), { path: '/v1/responses', headers: { accept: 'text/event-stream', ...contentType, ...bearer }, body: '{"model":"m","stream":true}' })
  t.match(build(anthropicMessages, { apiKey: 'k' }), { path: '/v1/messages', headers: { ...contentType, 'x-api-key': 'k', 'anthropic-version': '2023-06-01', authorization: undefined }, body: '{"model":"m","stream":true}' })
  t.match(build(ollamaChat), { path: '/v1/api/chat', headers: { accept: 'application/x-ndjson', ...contentType, authorization: undefined }, body: '{"model":"m","stream":true}' })
  t.end()
})

t.test('the path is appended to the path of the base URL, before its query', t => {
  const path = (url: string | URL): unknown => build(openaiChatCompletions, { baseURL: url }).path
  t.equal(path(`${baseURL}/`), '/v1/chat/completions')
  t.equal(path(new URL(baseURL).origin), '/chat/completions')
  t.equal(path(new URL(`${baseURL}?api-version=1`)), '/v1/chat/completions?api-version=1')
  t.end()
})

t.test('credentials in the base URL are sent as basic authentication, unless there is an API key', t => {
  const withCredentials = { baseURL: 'https://us%20er:p%40ss@models.example/v1' }
  t.match(build(openaiChatCompletions, withCredentials).headers, { authorization: `Basic ${Buffer.from('us er:p@ss').toString('base64')}` })
  t.equal(build(openaiChatCompletions, withCredentials).origin, 'https://models.example')
  t.match(build(openaiChatCompletions, { ...withCredentials, apiKey: 'k' }).headers, { authorization: 'Bearer k' })
  t.end()
})

t.test('the headers option adds headers and replaces the defaults', t => {
  const { headers } = build(anthropicMessages, { apiKey: 'k', headers: { 'X-One': '1', 'Anthropic-Version': '2030-01-01', 'x-api-key': 'other' } })
  t.match(headers, { 'x-one': '1', 'anthropic-version': '2030-01-01', 'x-api-key': 'other' })
  t.end()
})

t.test('a body that is not a JSON object throws', t => {
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  for (const body of [null, undefined, 'text', [], circular, { n: 1n }]) t.throws(() => buildRequest(ollamaChat, resolveModelOptions({ baseURL }), body as object), { code: 'SSE_ERR_OPTION', message: /^The body of a model request must be / })
  t.end()
})
