import { readFileSync } from 'node:fs'
import { simulateReadableStream, streamText } from 'ai'
import { MockLanguageModelV3 } from 'ai/test'
import type { FastifyReply } from 'fastify'
import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { MODEL_ERRORS, type ModelErrorCode } from 'fastify-sse-emitter/llm'
import { build, type TestApp } from '../fixtures/app.ts'
import { call, decode, type WholeResponse } from '../fixtures/client.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'
import { chatChunk, DONE, sseEvent, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

const PAGE = 'docs/models.md'
/** Pino's level. */
const ERROR = 50
const USAGE = sseEvent({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 } })
const ANSWER = [chatChunk({ role: 'assistant', content: '' }), ': comment\n\n', chatChunk({ content: 'Hel' }), chatChunk({ content: 'lo' }, 'stop'), USAGE, DONE]

interface Example extends TestApp {
  url: URL
  requests: ReceivedRequest[]
  get: (path: string) => Promise<WholeResponse & { events: Array<{ event: string | undefined, data: string }> }>
}

/** Starts an application with an example of the page, whose model is an upstream. */
async function startExample (t: Test, heading: string, respond: (request: ReceivedRequest) => void): Promise<Example> {
  t.intercept(process, 'env', { value: { ...process.env, OPENAI_API_KEY: 'a key', AZURE_OPENAI_API_KEY: 'a key', MISTRAL_API_KEY: 'a key' } })
  const { baseURL, requests } = await startUpstream(t, respond)
  const testApp = await build(t)
  const [block] = blocksOf(PAGE, heading)
  const { origin } = new URL(baseURL)
  await runBlock(block!.replaceAll(/https?:\/\/[\w.:]+/g, origin), { app: testApp.app })
  const url = await testApp.listen()
  const get: Example['get'] = async path => {
    const response = await call(new URL(path, url)).readAll()
    return { ...response, events: response.status === 200 ? decode(response.body).events.map(({ event, data }) => ({ event, data })) : [] }
  }
  return { ...testApp, url, requests, get }
}

const answer = (request: ReceivedRequest): void => { request.stream(...ANSWER).end() }
const text = (data: string, event: string | undefined = 'delta'): object => ({ event, data: JSON.stringify({ text: data }) })

t.test('every example of the page runs in a test of this file', async t => {
  const source = readFileSync(new URL(import.meta.url), 'utf8')
  const headings = Array.from(readFileSync(new URL(`../../${PAGE}`, import.meta.url), 'utf8').matchAll(/^##+ (.*)$/gm), ([, heading]) => heading!)
  const examples = headings.filter(heading => blocksOf(PAGE, heading).length > 0)
  t.equal(examples.length, 9)
  for (const heading of examples) {
    t.ok(source.includes(`'${heading}'`), heading)
    t.equal(blocksOf(PAGE, heading).length, heading === 'Other packages' ? 2 : 1, heading)
  }
})

t.test('relay an answer', async t => {
  const { get } = await startExample(t, 'Relay an answer', answer)
  t.strictSame((await get('/ask?q=Hi')).events, [
    text('Hel'), text('lo'), { event: 'finish', data: '{"reason":"stop","usage":{"inputTokens":3,"outputTokens":5,"totalTokens":8}}' }, { event: 'end', data: '' }
  ])
})

t.test('show errors: the last event has a code, a message and whether a retry may help', async t => {
  const cut = await startExample(t, 'Relay an answer', request => { request.stream(ANSWER[2]!).socket.destroySoon() })
  const { events } = await cut.get('/ask?q=Hi')
  t.match(events, [text('Hel'), { event: 'failed' }])
  t.match(JSON.parse(events[1]!.data), { code: 'upstream_cut', message: /^The connection to the model was lost/, retryable: true })
})

t.test('survive a page reload: every viewer receives the answer from its beginning, and a repeated request does not start another', async t => {
  const { app, get, requests } = await startExample(t, 'Survive a page reload', answer)
  for (let times = 0; times < 2; times++) {
    t.equal((await app.inject({ method: 'POST', url: '/answers', payload: { id: 'a', question: 'Hi' } })).statusCode, 202)
    const { events } = await get('/answers/a')
    t.match(events, [{ event: 'sse-ready' }, text('Hel'), text('lo'), { event: 'done', data: /"reason":"stop","usage"/ }])
  }
  t.equal(requests.length, 1)
  t.match(requests[0]!.body, { messages: [{ role: 'user', content: 'Hi' }] })
  t.equal((await get('/answers/b')).status, 404)
})

t.test('reasoning models: reasoning and text are events of two types', async t => {
  const { get, requests } = await startExample(t, 'Reasoning models', request => {
    request.stream(...[
      { type: 'response.created', response: { id: 'resp_1' } },
      { type: 'response.reasoning_summary_text.delta', item_id: 'rs_1', output_index: 0, summary_index: 0, delta: 'Hm.' },
      { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 1, content_index: 0, delta: 'Hello' },
      { type: 'response.completed', response: { id: 'resp_1', status: 'completed', output: [] } }
    ].map(sseEvent)).end()
  })
  t.strictSame((await get('/think?q=Hi')).events, [text('Hm.', 'reasoning'), text('Hello', 'text'), { event: 'end', data: '' }])
  t.match(requests[0]!.body, { input: 'Hi', reasoning: { effort: 'high', summary: 'auto' }, stream: true })
})

t.test('use another server: each receives requests at its URL, with its key and its body', async t => {
  const { get, requests } = await startExample(t, 'Use another server', request => {
    if (request.requestLine.includes('/api/chat')) request.respond(200, { 'content-type': 'application/x-ndjson' }, '{"message":{"content":"Hello"},"done":false}\n{"done":true,"done_reason":"stop"}\n')
    else answer(request)
  })
  for (const server of ['azure', 'mistral', 'ollama']) {
    const { events } = await get(`/answers/from/${server}`)
    t.equal(events.map(({ data }) => data === '' ? '' : JSON.parse(data).text ?? '').join(''), 'Hello', server)
    t.match(events.at(-2)!.data, /"type":"finish","reason":"stop"/)
  }
  const [azure, mistral, ollama] = requests
  t.match(azure, { requestLine: 'POST /openai/deployments/gpt-5/chat/completions?api-version=2024-10-21 HTTP/1.1', headers: { 'api-key': 'a key', authorization: undefined } })
  t.match(mistral, { requestLine: 'POST /v1/chat/completions HTTP/1.1', headers: { authorization: 'Bearer a key' }, body: { stream_options: undefined } })
  t.equal(ollama!.requestLine, 'POST /api/chat HTTP/1.1')
  t.equal((await get('/answers/from/unknown')).status, 404)
})

t.test('tools: the model calls tools, receives their results and answers', async t => {
  const call = (index: number, fragment: object): string => chatChunk({ tool_calls: [{ index, ...fragment }] })
  const { get, requests } = await startExample(t, 'Tools', request => {
    if ((request.body.messages as object[]).length > 1) return answer(request)
    request.stream(
      chatChunk({ content: 'Well. ' }),
      call(0, { id: 'a', type: 'function', function: { name: 'add', arguments: '{"a":' } }), call(0, { function: { arguments: '1,"b":2}' } }),
      call(1, { function: { name: 'sub', arguments: '{}' } }), call(2, { id: 'c', function: { name: 'add', arguments: '{' } }),
      chatChunk({}, 'tool_calls'), DONE
    ).end()
  })
  t.strictSame((await get('/calculate?q=1%2B2')).events, [text('Well. '), text('Hel'), text('lo'), { event: 'done', data: '{"reason":"stop"}' }, { event: 'end', data: '' }])
  t.strictSame(requests[1]!.body.messages, [
    { role: 'user', content: '1+2' },
    {
      role: 'assistant',
      content: 'Well. ',
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'add', arguments: '{"a":1,"b":2}' } },
        { id: 'call_0_1', type: 'function', function: { name: 'sub', arguments: '{}' } },
        { id: 'c', type: 'function', function: { name: 'add', arguments: '{' } }
      ]
    },
    { role: 'tool', tool_call_id: 'a', content: '3' },
    { role: 'tool', tool_call_id: 'call_0_1', content: 'There is no tool sub' },
    { role: 'tool', tool_call_id: 'c', content: 'The arguments are not JSON' }
  ])
})

t.test('tools: a call that is cut short is not run', async t => {
  const { get, requests } = await startExample(t, 'Tools', request => {
    request.stream(chatChunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'add', arguments: '{"a":1' } }] }), chatChunk({}, 'length'), DONE).end()
  })
  t.strictSame((await get('/calculate?q=Hi')).events, [{ event: 'done', data: '{"reason":"length"}' }, { event: 'end', data: '' }])
  t.equal(requests.length, 1)
})

t.test('custom tools: the input is the text of the arguments', async t => {
  const { get, requests } = await startExample(t, 'Tools', request => {
    if ((request.body.messages as object[]).length > 1) return answer(request)
    request.stream(chatChunk({ tool_calls: [{ index: 0, id: 'a', type: 'custom', custom: { name: 'shell', input: 'ls "a' } }] }), chatChunk({}, 'tool_calls'), DONE).end()
  })
  await get('/calculate?q=Hi')
  t.match(requests[1]!.body.messages, [{}, { tool_calls: [{ id: 'a', function: { name: 'shell', arguments: 'ls "a' } }] }, { role: 'tool' }])
})

t.test('open the stream at the first delta: an earlier failure has a status', async t => {
  const working = await startExample(t, 'Open the stream at the first delta', answer)
  const stream = await call(new URL('/ask', working.url), { method: 'POST' }).readAll()
  t.match(decode(stream.body).events.map(({ event, data }) => event ?? JSON.parse(data)), [{ type: 'text', text: 'Hel' }, { type: 'text', text: 'lo' }, { type: 'finish' }, 'end'])
  const failing = await startExample(t, 'Open the stream at the first delta', request => { request.respond(429, { 'retry-after': '7' }, '{}') })
  const { status, headers } = await call(new URL('/ask', failing.url), { method: 'POST' }).readAll()
  t.match({ status, headers }, { status: 429, headers: { 'retry-after': '7' } })
})

t.test('resume an answer: the client does not notice a lost connection to the model', async t => {
  const events = [
    { type: 'response.created', response: { id: 'resp_1' } },
    { type: 'response.output_text.delta', delta: 'Hel' },
    { type: 'response.output_text.delta', delta: 'lo' },
    { type: 'response.completed', response: { id: 'resp_1', status: 'completed' } }
  ].map((event, number) => sseEvent({ ...event, sequence_number: number }))
  const { get, requests } = await startExample(t, 'Resume an answer', request => {
    const after = /starting_after=(\d+)/.exec(request.requestLine)?.[1]
    if (after === undefined) request.stream(...events.slice(0, 2)).socket.destroySoon()
    else request.stream(...events.slice(Number(after) + 1)).end()
  })
  t.strictSame((await get('/research?q=Hi')).events, [text('Hel'), text('lo'), { event: 'end', data: '' }])
  t.equal(requests.length, 2)
})

/** Reads an answer with OpenAI's client. */
async function readWithOpenAI (url: URL): Promise<{ received: string, error: unknown }> {
  const openai = new OpenAI({ baseURL: new URL('/v1', url).href, apiKey: 'none', maxRetries: 0 })
  let received = ''
  try {
    for await (const { choices: [choice] } of await openai.chat.completions.create({ model: 'm', messages: [], stream: true })) received += choice?.delta.content ?? ''
  } catch (error) {
    return { received, error }
  }
  return { received, error: undefined }
}

t.test('relay an event stream: OpenAI\'s client reads the answer that the model gave', async t => {
  const { url, requests } = await startExample(t, 'Relay an event stream', answer)
  t.strictSame(await readWithOpenAI(url), { received: 'Hello', error: undefined })
  t.match(requests[0], { requestLine: 'POST /v1/chat/completions HTTP/1.1', headers: { authorization: 'Bearer a key' }, body: { model: 'm' } })
  const { body } = await call(new URL('/v1/chat/completions', url), { method: 'POST', headers: { 'content-type': 'application/json' } }, '{}').readAll()
  t.match(body, /^data: /m, 'for clients that look for a space')
})

t.test('relay an event stream: OpenAI\'s client throws if the answer is cut off, also between events', async t => {
  const cuts: Record<string, (request: ReceivedRequest) => void> = {
    upstream_cut: request => { request.socket.destroySoon() },
    truncated: request => { request.end() }
  }
  for (const [code, cut] of Object.entries(cuts)) {
    const { url, logs } = await startExample(t, 'Relay an event stream', request => { cut(request.stream(...ANSWER.slice(0, 3))) })
    const { received, error } = await readWithOpenAI(url)
    t.equal(received, 'Hel')
    t.ok(error instanceof OpenAI.APIError, code)
    t.match(error, { code, type: code, message: MODEL_ERRORS[code as ModelErrorCode].message })
    t.match(logs.filter(({ level }) => level === ERROR), [{ err: { code } }])
  }
})

t.test('relay an event stream: OpenAI\'s client throws the error with which the model responds', async t => {
  const { url } = await startExample(t, 'Relay an event stream', request => {
    request.respond(429, { 'retry-after': '7', 'content-type': 'application/json' }, '{"error":{"message":"slow down"}}')
  })
  const { error } = await readWithOpenAI(url)
  t.match(error, { status: 429, code: 'upstream_rate_limit', type: 'upstream_rate_limit', message: /The model is receiving too many requests/ })
  t.equal((error as InstanceType<typeof OpenAI.APIError>).headers!.get('retry-after'), '7')
})

t.test('README: a response of events is relayed as events', async t => {
  const { baseURL } = await startUpstream(t, request => { request.stream('event: delta\nid: 1\ndata: a\n\n', 'data: b\n\n').end() })
  const { app, listen } = await build(t)
  const [block] = blocksOf('README.md', 'Disconnects')
  app.get('/', async (_request, reply: FastifyReply) => {
    await runBlock(block!, { reply, fetch: (_url: string, init: RequestInit) => fetch(baseURL, init) })
    return reply
  })
  const { body } = await call(await listen()).readAll()
  t.match(decode(body).events, [{ event: 'delta', id: '1', data: 'a' }, { event: undefined, data: 'b' }, { event: 'end' }])
})

/** Runs an example of another client. @returns the data of the events that a client receives, and the error of the example */
async function relayWith (t: Test, index: number, modules: Record<string, unknown>): Promise<{ received: string, error: unknown }> {
  const { app, listen } = await build(t)
  const block = blocksOf(PAGE, 'Other packages')[index]!
  let error: unknown
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    await runBlock(block, { emitter }, modules).catch((thrown: unknown) => { error = thrown })
    emitter.complete()
    return reply
  })
  const { body } = await call(await listen()).readAll()
  return { received: decode(body).events.map(({ data }) => JSON.parse(data).text).join(''), error }
}

t.test('other packages: the openai package', async t => {
  for (const [chunks, expected] of [[ANSWER, undefined], [ANSWER.slice(0, 3), { message: 'The answer was cut off' }]] as const) {
    const { baseURL } = await startUpstream(t, request => { request.stream(...chunks).end() })
    const modules = { openai: { default: class extends OpenAI { constructor () { super({ baseURL, apiKey: 'k' }) } } } }
    t.match(await relayWith(t, 0, modules), { received: expected === undefined ? 'Hello' : 'Hel', error: expected })
  }
})

t.test('other packages: the ai package', async t => {
  const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } }
  const finish = (unified: 'stop' | 'other') => ({ type: 'finish' as const, finishReason: { unified, raw: undefined }, usage })
  const failure = new Error('failed')
  for (const [end, expected] of [[finish('stop'), undefined], [finish('other'), { message: 'The answer was cut off' }], [{ type: 'error' as const, error: failure }, failure]] as const) {
    const chunks = [{ type: 'text-start' as const, id: '1' }, { type: 'text-delta' as const, id: '1', delta: 'Hello' }, end]
    const model = new MockLanguageModelV3({ doStream: async () => ({ stream: simulateReadableStream({ initialDelayInMs: 0, chunkDelayInMs: 0, chunks }) }) })
    const modules = { ai: { streamText: (options: Parameters<typeof streamText>[0]) => streamText({ ...options, model, onError: () => {} }) } }
    t.match(await relayWith(t, 1, modules), { received: 'Hello', error: expected })
  }
})
