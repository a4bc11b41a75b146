import { once } from 'node:events'
import OpenAI, { APIConnectionError, APIError, APIUserAbortError, BadRequestError, InternalServerError, RateLimitError } from 'openai'
import t from 'tap'
import { openAIApi } from '../../../server/routes/openai-api.ts'
import { build, sleep, WARN, type LogLine } from '../../fixtures/app.ts'
import { decode, type WholeResponse } from '../../fixtures/client.ts'
import { finishReasonOf, post, SERVER, serveOpenAIApi, textOf, user, type Chunk, type Messages } from '../../fixtures/openai-api.ts'

/** Reads a stream until it ends or fails. */
async function readUntilError (openai: OpenAI, content: string): Promise<{ chunks: Chunk[], error: unknown }> {
  const chunks: Chunk[] = []
  try {
    for await (const chunk of await openai.chat.completions.create({ model: 'any', messages: user(content), stream: true })) chunks.push(chunk)
  } catch (error) {
    return { chunks, error }
  }
  return { chunks, error: undefined }
}

/** The error that a promise rejects with. */
async function rejection (promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('the promise did not reject')
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

t.test('an invalid request is answered with an error in OpenAI\'s format that names the field', async t => {
  const { url } = await serveOpenAIApi(t)
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
    const { status, body } = await post(url, payload).readAll()
    t.equal(status, 400, JSON.stringify(payload))
    const { error } = JSON.parse(body)
    t.match(error, { message: String, type: 'invalid_request_error', code: 'fst_err_validation' }, JSON.stringify(payload))
    t.equal(error.param, param, JSON.stringify(payload))
  }
})

t.test('an unreadable request is answered with an error in OpenAI\'s format', async t => {
  const { url } = await serveOpenAIApi(t)
  const rows: Array<[status: number, code: string, response: WholeResponse]> = [
    [400, 'fst_err_ctp_invalid_json_body', await post(url, '{').readAll()],
    [400, 'fst_err_ctp_empty_json_body', await post(url, '').readAll()],
    [400, 'fst_err_validation', await post(url, 'x', { 'content-type': 'text/plain' }).readAll()],
    [415, 'fst_err_ctp_invalid_media_type', await post(url, 'x', { 'content-type': 'image/png' }).readAll()],
    [413, 'fst_err_ctp_body_too_large', await post(url, { messages: user('x'.repeat(1024 * 1024)) }).readAll()]
  ]
  for (const [expected, code, { status, body }] of rows) {
    t.equal(status, expected, code)
    t.match(JSON.parse(body), { error: { message: String, type: 'invalid_request_error', param: null, code } })
  }
})

t.test('a conversation beyond the context length is refused', async t => {
  const { openai } = await serveOpenAIApi(t)
  const create = async (messages: Messages): Promise<unknown> => await openai.chat.completions.create({ model: 'any', messages })
  await t.rejects(create(user(`say ${'a '.repeat(32_000)}`)), { status: 400, code: 'context_length_exceeded', type: 'invalid_request_error' })
  await t.rejects(create(Array.from({ length: 8_001 }, () => user('')[0]!)), { status: 400, code: 'context_length_exceeded' })
  await create(Array.from({ length: 8_000 }, () => user('')[0]!))
})

t.test('OpenAI\'s client throws the matching error class', async t => {
  const { openai } = await serveOpenAIApi(t)
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

t.test('/fail causes an error in a stream, and an error response otherwise', async t => {
  const { openai, url, logs } = await serveOpenAIApi(t)
  const { chunks, error } = await readUntilError(openai, '/fail count to 50')
  t.equal(textOf(chunks), '1, 2, 3, 4,')
  t.ok(error instanceof APIError)
  t.match(error, { code: 'model_failed', type: 'server_error' })
  const { events } = decode((await post(url, { messages: user('/fail count to 50'), stream: true }).readAll()).body)
  t.strictSame(Object.keys(JSON.parse(events.at(-1)!.data)), ['error'], 'the error is the last event')
  t.ok(await rejection(openai.chat.completions.create({ model: 'any', messages: user('/fail count to 50') })) instanceof InternalServerError)
  t.ok(logs.some(({ level, err }) => level === WARN && err?.code === 'MODEL_FAILED'))
})

t.test('/truncate ends without a finish reason and [DONE]', async t => {
  const { openai, url } = await serveOpenAIApi(t)
  const { chunks, error } = await readUntilError(openai, '/truncate count to 50')
  t.equal(textOf(chunks), '1, 2, 3, 4,')
  t.equal(finishReasonOf(chunks), null)
  t.equal(error, undefined, 'OpenAI\'s client accepts the answer as complete')
  const { events } = decode((await post(url, { messages: user('/truncate count to 50'), stream: true }).readAll()).body)
  t.equal(JSON.parse(events.at(-1)!.data).choices[0].delta.content, ',')
  const { choices } = await openai.chat.completions.create({ model: 'any', messages: user('/truncate count to 50') })
  t.match(choices[0], { message: { content: '1, 2, 3, 4,' }, finish_reason: null })
})

t.test('/cut cuts the connection after a few tokens of a stream, and before an answer in one piece', async t => {
  const { app, openai, logs } = await serveOpenAIApi(t)
  const { chunks, error } = await readUntilError(openai, '/cut count to 50')
  t.equal(textOf(chunks), '1, 2, 3, 4,')
  t.ok(error !== undefined)
  await until(() => app.sse.size === 0)
  t.ok(await rejection(openai.chat.completions.create({ model: 'any', messages: user('/cut count to 50') })) instanceof APIConnectionError)
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('/stall and /nothing keep the connection open until the client disconnects', async t => {
  const { app, openai, logs } = await serveOpenAIApi(t)
  for (const [content, expected] of [['/stall count to 50', '1, 2, 3, 4,'], ['/nothing count to 50', '']] as const) {
    const stream = await openai.chat.completions.create({ model: 'any', messages: user(content), stream: true })
    const chunks: Chunk[] = []
    const read = async (): Promise<void> => { for await (const chunk of stream) chunks.push(chunk) }
    const reading = read()
    await until(() => chunks.length > 0 && textOf(chunks) === expected)
    await sleep(50)
    t.equal(textOf(chunks), expected)
    t.equal(app.sse.size, 1)
    stream.controller.abort()
    await reading
    await until(() => app.sse.size === 0)
  }
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('a disconnect aborts the generation', async t => {
  const { app, openai, logs } = await serveOpenAIApi(t, 60_000)
  const ends = (): LogLine[] => logs.filter(({ msg }) => msg === 'generation ended')
  const stream = await openai.chat.completions.create({ model: 'any', messages: user('count to 50'), stream: true })
  const chunks = stream[Symbol.asyncIterator]()
  t.match(await chunks.next(), { value: { choices: [{ delta: { role: 'assistant' } }] } })
  stream.controller.abort()
  await until(() => ends().length === 1)
  await until(() => app.sse.size === 0)

  const client = new AbortController()
  const answer = openai.chat.completions.create({ model: 'any', messages: user('count to 50') }, { signal: client.signal })
  await until(() => logs.filter(({ msg }) => msg === 'incoming request').length === 2)
  client.abort()
  t.ok(await rejection(answer) instanceof APIUserAbortError)
  await until(() => ends().length === 2)
  for (const line of ends()) t.match(line, { tokens: 0, finish: 'aborted' })
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('a client that disconnects before the handler runs aborts the generation', async t => {
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
  app.register(openAIApi, { pace: 60_000 })
  await t.rejects(post(await listen(), { messages: user('x') }).readAll())
  await until(() => hijacked === 1)
  t.strictSame(logs.filter(({ level }) => level >= WARN), [])
})

t.test('a stream above maxConnections is refused with an error in OpenAI\'s format', async t => {
  const { url } = await serveOpenAIApi(t, 0, { maxConnections: 1 })
  const first = post(url, { messages: user('/nothing'), stream: true })
  await first.response
  const { status, headers, body } = await post(url, { messages: user('x'), stream: true }).readAll()
  first.request.destroy()
  t.equal(status, 503)
  t.ok(Number(headers['retry-after']) > 0)
  t.match(JSON.parse(body), { error: { type: 'server_error', code: 'sse_err_full' } })
})

t.test('/slow delays tokens', async t => {
  const { openai } = await serveOpenAIApi(t)
  const start = performance.now()
  await openai.chat.completions.create({ model: 'any', messages: user('/slow say one two') })
  const passed = performance.now() - start
  t.ok(passed >= 2 * 150 - 5, `${passed} ms`)
})

t.test('only the last message can request a fault', async t => {
  const { openai } = await serveOpenAIApi(t)
  const { choices } = await openai.chat.completions.create({ model: 'any', messages: [...user('/500'), { role: 'assistant', content: '/429' }, ...user('count to 2')] })
  t.equal(choices[0]!.message.content, '1, 2.')
})
