import { once } from 'node:events'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import OpenAI, { APIConnectionError, APIError, APIUserAbortError, BadRequestError, InternalServerError, RateLimitError } from 'openai'
import t, { type Test } from 'tap'
import type { SsePluginOptions } from 'fastify-sse-emitter'
import { model } from '../../../server/routes/openai-api.ts'
import { build, sleep, WARN, type LogLine } from '../../fixtures/app.ts'
import { call, decode, type Answer, type Call } from '../../fixtures/client.ts'

type Messages = OpenAI.ChatCompletionMessageParam[]
type Chunk = OpenAI.ChatCompletionChunk

/** As the demo has it. */
const SERVER: FastifyServerOptions = { ajv: { customOptions: { removeAdditional: false, coerceTypes: false } } }

interface Model { app: FastifyInstance, url: URL, openai: OpenAI, logs: LogLine[] }

async function listen (t: Test, pace = 0, options: SsePluginOptions = {}): Promise<Model> {
  const { app, listen, logs } = await build(t, options, SERVER)
  app.register(model, pace === 0 ? { pace } : { pace, firstToken: 0 })
  const url = await listen()
  return { app, logs, url, openai: new OpenAI({ baseURL: new URL('/v1', url).href, apiKey: 'none', maxRetries: 0 }) }
}

const user = (content: string): Messages => [{ role: 'user', content }]

function post (url: URL, payload: object | string, headers: Record<string, string> = {}): Call {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload)
  return call(new URL('/v1/chat/completions', url), { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }, body)
}

async function list<T> (items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const textOf = (chunks: Chunk[]): string => chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
const finishOf = (chunks: Chunk[]): string | null | undefined => chunks.findLast(({ choices }) => choices.length > 0)!.choices[0]!.finish_reason

/** The chunks that come before an error, and the error. */
async function broken (openai: OpenAI, content: string): Promise<{ chunks: Chunk[], error: unknown }> {
  const chunks: Chunk[] = []
  try {
    for await (const chunk of await openai.chat.completions.create({ model: 'any', messages: user(content), stream: true })) chunks.push(chunk)
  } catch (error) {
    return { chunks, error }
  }
  return { chunks, error: undefined }
}

/** What a promise is rejected with. */
async function rejection (promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it was not rejected')
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

t.test('OpenAI\'s client gets an answer token by token', async t => {
  const { openai } = await listen(t)
  const chunks = await list(await openai.chat.completions.create({ model: 'any-name', messages: user('count to 3'), stream: true, stream_options: { include_usage: true } }))
  t.strictSame(chunks.map(({ choices: [choice] }) => choice && choice.delta.content), ['', '1', ',', ' 2', ',', ' 3', '.', undefined, undefined])
  t.equal(finishOf(chunks), 'stop')
  t.match(chunks.at(-1), { choices: [], usage: { prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 } })
  t.strictSame(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size, 1)
  t.equal(chunks[0]!.model, 'any-name')
})

t.test('OpenAI\'s client gets an answer in one piece', async t => {
  const { openai } = await listen(t)
  const { choices: [choice], usage, object } = await openai.chat.completions.create({ model: 'any', messages: [{ role: 'user', content: [{ type: 'text', text: 'count ' }, { type: 'text', text: 'to 3' }] }] })
  t.match(choice, { message: { role: 'assistant', content: '1, 2, 3.' }, finish_reason: 'stop' })
  t.strictSame(usage, { prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 })
  t.equal(object, 'chat.completion')
})

t.test('OpenAI\'s client gets the list of models', async t => {
  const { openai } = await listen(t)
  t.match(await list(openai.models.list()), [{ id: 'embedded', object: 'model', owned_by: 'fastify-sse-emitter' }])
})

t.test('on the wire, every event is data after a space, and the last is [DONE]', async t => {
  const { url } = await listen(t)
  const { status, headers, body } = await post(url, { messages: user('markdown'), stream: true }).answer()
  t.equal(status, 200)
  t.equal(headers['content-type'], 'text/event-stream; charset=utf-8')
  const { events, comments } = decode(body)
  t.strictSame(comments, [])
  t.ok(events.every(({ event, id }) => event === undefined && id === undefined))
  t.equal(events.at(-1)!.data, '[DONE]')
  const naive = body.split('\n\n')
  t.equal(naive.pop(), '')
  t.ok(naive.every(part => part.startsWith('data: ')))
  t.strictSame(naive.map(part => part.slice('data: '.length)), events.map(({ data }) => data))
})

t.test('the same request gets the same answer, and another seed or another conversation another', async t => {
  const { openai } = await listen(t)
  const ask = async (messages: Messages, seed?: number): Promise<string | null> => {
    const { choices } = await openai.chat.completions.create({ model: 'any', messages, ...seed !== undefined && { seed } })
    return choices[0]!.message.content
  }
  const question = user('what do you think of the sea at night?')
  const answer = await ask(question)
  t.equal(await ask(question), answer)
  t.equal(await ask(question, 0), answer)
  t.equal(textOf(await list(await openai.chat.completions.create({ model: 'other', messages: question, stream: true }))), answer)
  t.not(await ask(question, 1), answer)
  t.not(await ask([{ role: 'system', content: 'be short' }, ...question]), answer)
})

t.test('it remembers the conversation', async t => {
  const { openai } = await listen(t)
  const { choices } = await openai.chat.completions.create({ model: 'any', messages: [...user('my name is Anna'), { role: 'assistant', content: 'Hello, Anna!' }, ...user('what is my name?')] })
  t.match(choices[0]!.message.content, /Anna/)
})

t.test('an answer ends at the limit of the request, or of the model', async t => {
  const { openai } = await listen(t)
  for (const limit of [{ max_tokens: 2 }, { max_completion_tokens: 2 }, { max_completion_tokens: 2, max_tokens: 5 }]) {
    const chunks = await list(await openai.chat.completions.create({ model: 'any', messages: user('count to 3'), stream: true, ...limit }))
    t.equal(textOf(chunks), '1,')
    t.equal(finishOf(chunks), 'length')
  }
  const { choices, usage } = await openai.chat.completions.create({ model: 'any', messages: user(`repeat ${'a '.repeat(25_000)}`), max_tokens: 1_000_000 })
  t.equal(choices[0]!.finish_reason, 'length')
  t.equal(usage!.completion_tokens, 20_000)
})

t.test('a long story comes whole', async t => {
  const { openai } = await listen(t)
  const chunks = await list(await openai.chat.completions.create({ model: 'any', messages: user('write a novel'), stream: true }))
  t.ok(chunks.length > 4_000, `${chunks.length} chunks`)
  t.match(textOf(chunks), /\*The end\.\*$/)
  t.equal(finishOf(chunks), 'stop')
})

t.test('without options, it takes its time', async t => {
  const { app, listen } = await build(t, {}, SERVER)
  app.register(model)
  const url = await listen()
  const start = performance.now()
  await post(url, { messages: user('say one two three') }).answer()
  const passed = performance.now() - start
  t.ok(passed >= 200 + 3 * 15 - 5, `${passed} ms`)
})

t.test('fields that it does not know are taken no notice of, and null is nothing', async t => {
  const { url } = await listen(t)
  const messages: Messages = [{ role: 'developer', content: 'x' }, { role: 'assistant', content: null }, { role: 'assistant' }, { role: 'tool', content: 'x', tool_call_id: '1' }, { role: 'user', content: 'count to 2', name: 'me' }]
  const { status, body } = await post(url, { messages, model: null, stream: null, stream_options: null, max_tokens: null, seed: null, temperature: null, top_p: 0.5, tools: [], user: 'me' }).answer()
  t.equal(status, 200)
  t.match(JSON.parse(body), { model: 'embedded', choices: [{ message: { content: '1, 2.' } }] })
})

t.test('a wrong request is answered in OpenAI\'s way, which names the field', async t => {
  const { url } = await listen(t)
  const messages = user('x')
  const rows: Array<[payload: object | string, param: string | null]> = [
    [{}, 'messages'],
    [[], null],
    ['null', null],
    [{ messages: [] }, 'messages'],
    [{ messages: 'x' }, 'messages'],
    [{ messages: ['x'] }, 'messages[0]'],
    [{ messages: [{ content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role'],
    [{ messages: [{ role: 'user' }] }, 'messages[0].content'],
    [{ messages: [...messages, { role: 'user', content: null }] }, 'messages[1].content'],
    [{ messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
    [{ messages: [{ role: 'assistant', content: {} }] }, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] }, 'messages[0].content[0].text'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', text: 'x' }] }] }, 'messages[0].content[0].type'],
    [{ messages, model: 5 }, 'model'],
    [{ messages, model: '' }, 'model'],
    [{ messages, model: 'x'.repeat(201) }, 'model'],
    [{ messages, stream: 'yes' }, 'stream'],
    [{ messages, stream_options: { include_usage: 1 } }, 'stream_options.include_usage'],
    [{ messages, max_tokens: 0 }, 'max_tokens'],
    [{ messages, max_completion_tokens: 1.5 }, 'max_completion_tokens'],
    [{ messages, seed: 'x' }, 'seed'],
    [{ messages, temperature: 3 }, 'temperature']
  ]
  for (const [payload, param] of rows) {
    const { status, body } = await post(url, payload).answer()
    t.equal(status, 400, JSON.stringify(payload))
    const { error } = JSON.parse(body)
    t.match(error, { message: String, type: 'invalid_request_error', code: 'fst_err_validation' }, JSON.stringify(payload))
    t.equal(error.param, param, JSON.stringify(payload))
  }
})

t.test('so is what is no request at all', async t => {
  const { url } = await listen(t)
  const rows: Array<[status: number, code: string, answer: Answer]> = [
    [400, 'fst_err_ctp_invalid_json_body', await post(url, '{').answer()],
    [400, 'fst_err_ctp_empty_json_body', await post(url, '').answer()],
    [400, 'fst_err_validation', await post(url, 'x', { 'content-type': 'text/plain' }).answer()],
    [415, 'fst_err_ctp_invalid_media_type', await post(url, 'x', { 'content-type': 'image/png' }).answer()],
    [413, 'fst_err_ctp_body_too_large', await post(url, { messages: user('x'.repeat(1024 * 1024)) }).answer()]
  ]
  for (const [expected, code, { status, body }] of rows) {
    t.equal(status, expected, code)
    t.match(JSON.parse(body), { error: { message: String, type: 'invalid_request_error', param: null, code } })
  }
})

t.test('a conversation that is too long is refused', async t => {
  const { openai } = await listen(t)
  const create = async (messages: Messages): Promise<unknown> => await openai.chat.completions.create({ model: 'any', messages })
  await t.rejects(create(user(`say ${'a '.repeat(32_000)}`)), { status: 400, code: 'context_length_exceeded', type: 'invalid_request_error' })
  await t.rejects(create(Array.from({ length: 8_001 }, () => user('')[0]!)), { status: 400, code: 'context_length_exceeded' })
  await create(Array.from({ length: 8_000 }, () => user('')[0]!))
})

t.test('OpenAI\'s client knows what is wrong', async t => {
  const { openai } = await listen(t)
  for (const stream of [true, false]) {
    const create = async (content: string): Promise<unknown> => await openai.chat.completions.create({ model: 'any', messages: user(content), stream })
    t.ok(await rejection(create(`say ${'a '.repeat(32_000)}`)) instanceof BadRequestError)
    t.ok(await rejection(create('/500 hello')) instanceof InternalServerError)
    const error = await rejection(create('/429 hello'))
    t.ok(error instanceof RateLimitError)
    t.match(error, { code: 'rate_limit_exceeded', type: 'rate_limit_error' })
    t.equal((error as RateLimitError).headers.get('retry-after'), '2')
  }
})

t.test('/fail is an error in the stream, and a response without one', async t => {
  const { openai, url, logs } = await listen(t)
  const { chunks, error } = await broken(openai, '/fail count to 50')
  t.equal(textOf(chunks), '1, 2, 3, 4,')
  t.ok(error instanceof APIError)
  t.match(error, { code: 'model_failed', type: 'server_error' })
  const { events } = decode((await post(url, { messages: user('/fail count to 50'), stream: true }).answer()).body)
  t.strictSame(Object.keys(JSON.parse(events.at(-1)!.data)), ['error'], 'and nothing after it')
  t.ok(await rejection(openai.chat.completions.create({ model: 'any', messages: user('/fail count to 50') })) instanceof InternalServerError)
  t.ok(logs.some(({ level, err }) => level === WARN && err?.code === 'MODEL_FAILED'))
})

t.test('/truncate ends without a reason and without [DONE]', async t => {
  const { openai, url } = await listen(t)
  const { chunks, error } = await broken(openai, '/truncate count to 50')
  t.equal(textOf(chunks), '1, 2, 3, 4,')
  t.equal(finishOf(chunks), null)
  t.equal(error, undefined, 'OpenAI\'s client takes it for an answer')
  const { events } = decode((await post(url, { messages: user('/truncate count to 50'), stream: true }).answer()).body)
  t.equal(JSON.parse(events.at(-1)!.data).choices[0].delta.content, ',')
  const { choices } = await openai.chat.completions.create({ model: 'any', messages: user('/truncate count to 50') })
  t.match(choices[0], { message: { content: '1, 2, 3, 4,' }, finish_reason: null })
})

t.test('/cut cuts the connection after a few tokens, and before an answer in one piece', async t => {
  const { app, openai, logs } = await listen(t)
  const { chunks, error } = await broken(openai, '/cut count to 50')
  t.equal(textOf(chunks), '1, 2, 3, 4,')
  t.ok(error !== undefined)
  await until(() => app.sse.size === 0)
  t.ok(await rejection(openai.chat.completions.create({ model: 'any', messages: user('/cut count to 50') })) instanceof APIConnectionError)
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('/stall and /nothing keep the connection and say no more, until the client leaves', async t => {
  const { app, openai, logs } = await listen(t)
  for (const [content, said] of [['/stall count to 50', '1, 2, 3, 4,'], ['/nothing count to 50', '']] as const) {
    const stream = await openai.chat.completions.create({ model: 'any', messages: user(content), stream: true })
    const chunks: Chunk[] = []
    const read = async (): Promise<void> => { for await (const chunk of stream) chunks.push(chunk) }
    const reading = read()
    await until(() => chunks.length > 0 && textOf(chunks) === said)
    await sleep(50)
    t.equal(textOf(chunks), said)
    t.equal(app.sse.size, 1)
    stream.controller.abort()
    await reading
    await until(() => app.sse.size === 0)
  }
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('a client that leaves ends the generation', async t => {
  const { app, openai, logs } = await listen(t, 60_000)
  const ended = (): LogLine[] => logs.filter(({ msg }) => msg === 'generation ended')
  const stream = await openai.chat.completions.create({ model: 'any', messages: user('count to 50'), stream: true })
  const chunks = stream[Symbol.asyncIterator]()
  t.match(await chunks.next(), { value: { choices: [{ delta: { role: 'assistant' } }] } })
  stream.controller.abort()
  await until(() => ended().length === 1)
  await until(() => app.sse.size === 0)

  const client = new AbortController()
  const answer = openai.chat.completions.create({ model: 'any', messages: user('count to 50') }, { signal: client.signal })
  await until(() => logs.filter(({ msg }) => msg === 'incoming request').length === 2)
  client.abort()
  t.ok(await rejection(answer) instanceof APIUserAbortError)
  await until(() => ended().length === 2)
  for (const line of ended()) t.match(line, { tokens: 0, finish: 'broken off' })
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('each generation leaves a line in the log', async t => {
  const { openai, logs } = await listen(t)
  await openai.chat.completions.create({ model: 'any', messages: user('count to 2') })
  await openai.chat.completions.create({ model: 'any', messages: user('count to 2'), max_tokens: 1 })
  t.match(logs.filter(({ msg }) => msg === 'generation ended'), [{ tokens: 4, finish: 'stop' }, { tokens: 1, finish: 'length' }])
})

t.test('a client that has left before is not waited for', async t => {
  const { app, listen, logs } = await build(t, {}, SERVER)
  let hijacked = 0
  app.addHook('preHandler', async (_request, reply) => {
    const { hijack } = reply
    reply.hijack = () => {
      hijacked++
      return hijack.call(reply)
    }
    reply.raw.destroy()
    await once(reply.raw, 'close')
  })
  app.register(model, { pace: 60_000 })
  await t.rejects(post(await listen(), { messages: user('x') }).answer())
  await until(() => hijacked === 1)
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('a stream that there is no place for is refused in OpenAI\'s way', async t => {
  const { url } = await listen(t, 0, { maxConnections: 1 })
  const first = post(url, { messages: user('/nothing'), stream: true })
  await first.response
  const { status, headers, body } = await post(url, { messages: user('x'), stream: true }).answer()
  first.request.destroy()
  t.equal(status, 503)
  t.ok(Number(headers['retry-after']) > 0)
  t.match(JSON.parse(body), { error: { type: 'server_error', code: 'sse_err_full' } })
})

t.test('a client that accepts JSON only gets its stream', async t => {
  const { url } = await listen(t)
  const { status, body } = await post(url, { messages: user('x'), stream: true }, { accept: 'application/json' }).answer()
  t.equal(status, 200)
  t.equal(decode(body).events.at(-1)!.data, '[DONE]')
})

t.test('/slow takes its time', async t => {
  const { openai } = await listen(t)
  const start = performance.now()
  await openai.chat.completions.create({ model: 'any', messages: user('/slow say one two') })
  const passed = performance.now() - start
  t.ok(passed >= 2 * 150 - 5, `${passed} ms`)
})

t.test('only the last message asks for a fault', async t => {
  const { openai } = await listen(t)
  const { choices } = await openai.chat.completions.create({ model: 'any', messages: [...user('/500'), { role: 'assistant', content: '/429' }, ...user('count to 2')] })
  t.equal(choices[0]!.message.content, '1, 2.')
})
