import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createNetServer, type AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { Agent, buildConnector, errors, MockAgent, ProxyAgent } from 'undici'
import { streamChatCompletions, streamMessages, streamOllamaChat, streamResponses, type ModelDelta, type ModelOptions } from '../../plugin/llm/index.ts'
import { ByHand, chat, collect, DONE, framed, sse, upstream, type Asked } from '../fixtures/upstream.ts'

const BODY = { model: 'm', max_tokens: 10, messages: [] }
const JSON_TYPE = { 'content-type': 'application/json' }

type Deltas = AsyncGenerator<ModelDelta, void, undefined>

/** Asks what answers so; nothing is asked twice. */
async function askOnce (t: Test, answer: (asked: Asked, number: number) => void | Promise<void>, options: Partial<ModelOptions> = {}, stream = streamChatCompletions as (body: typeof BODY, options: ModelOptions) => Deltas): ReturnType<typeof collect> {
  const { baseURL } = await upstream(t, answer)
  return await collect(stream(BODY, { baseURL, retries: 0, ...options }))
}

function agent (t: Test, connect: buildConnector.connector): Agent {
  const agent = new Agent({ connect })
  t.teardown(() => agent.destroy())
  return agent
}

/** An address where nobody listens. */
async function nowhere (): Promise<string> {
  const server = createNetServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `127.0.0.1:${port}`
}

t.test('a model that cannot be reached', async t => {
  t.test('refuses', async t => {
    const { error } = await collect(streamChatCompletions(BODY, { baseURL: `http://${await nowhere()}`, retries: 0 }))
    t.match(error, { code: 'upstream_unreachable', message: 'The model cannot be reached (ECONNREFUSED)', statusCode: 502, retryable: true })
  })

  t.test('has no address', async t => {
    const dispatcher = agent(t, buildConnector({
      lookup: (_host: string, _options: object, callback: (error: Error) => void) => { callback(Object.assign(new Error('getaddrinfo ENOTFOUND models.example'), { code: 'ENOTFOUND' })) }
    } as buildConnector.BuildOptions))
    const { error } = await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', retries: 0, dispatcher }))
    t.match(error, { code: 'upstream_unreachable', message: /\(ENOTFOUND\)$/ })
  })

  t.test('is not who it says', async t => {
    const tls = new URL('../fixtures/tls/', import.meta.url)
    const server = createTlsServer({ key: readFileSync(new URL('key.pem', tls)), cert: readFileSync(new URL('cert.pem', tls)) }, () => { t.fail('connected') })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { error } = await collect(streamChatCompletions(BODY, { baseURL: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, retries: 0 }))
    t.match(error, { code: 'upstream_unreachable', message: /SELF_SIGNED/ })
  })

  t.test('takes too long', async t => {
    const dispatcher = agent(t, () => {})
    const { error } = await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', retries: 0, connectTimeout: 20, dispatcher }))
    t.match(error, { code: 'upstream_connect_timeout', statusCode: 504, retryable: true })
  })

  t.test('takes too long for its dispatcher', async t => {
    const dispatcher = agent(t, (_options, callback) => { callback(new errors.ConnectTimeoutError(), null) })
    const { error } = await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', retries: 0, dispatcher }))
    t.match(error, { code: 'upstream_connect_timeout' })
  })

  t.test('has a dispatcher that throws', async t => {
    // This is for the options of the agent, which says so at once.
    const headers = { 'proxy-authorization': 'Basic x' }
    const dispatcher = new ProxyAgent(`http://${await nowhere()}`)
    t.teardown(() => dispatcher.destroy())
    const { error } = await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', retries: 0, headers, dispatcher }))
    t.match(error, { code: 'upstream_unreachable' })
  })
})

t.test('a dispatcher may be a mock', async t => {
  const dispatcher = new MockAgent()
  t.teardown(() => dispatcher.close())
  dispatcher.get('http://models.example').intercept({ path: '/v1/chat/completions', method: 'POST' }).reply(200, chat({ content: 'Hi' }, 'stop') + DONE, { headers: { 'content-type': 'text/event-stream' } })
  t.match(await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example/v1', dispatcher })), { text: 'Hi', error: undefined })
})

t.test('a status that is an error', async t => {
  const refused = async (status: number, headers: Record<string, string>, body: unknown, stream?: Parameters<typeof askOnce>[3]): Promise<unknown> =>
    (await askOnce(t, asked => { asked.answer(status, { ...JSON_TYPE, ...headers }, JSON.stringify(body)) }, {}, stream)).error

  t.match(await refused(401, {}, { error: { code: 'invalid_api_key' } }), { code: 'upstream_auth', statusCode: 502, upstreamStatus: 401 })
  t.match(await refused(403, {}, {}), { code: 'upstream_auth', statusCode: 502 })
  t.match(await refused(429, { 'retry-after': '7' }, {}), { code: 'upstream_rate_limit', statusCode: 429, retryAfter: 7_000, headers: { 'retry-after': '7' } })
  t.match(await refused(429, { 'retry-after-ms': '70' }, {}), { retryAfter: 70, headers: { 'retry-after': '1' } })
  t.match(await refused(429, { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() }, {}), { retryAfter: Number })
  t.match(await refused(429, { 'retry-after': '7' }, { error: { code: 'insufficient_quota' } }), { code: 'upstream_quota', retryable: false })
  t.match(await refused(429, {}, {}, streamMessages), { code: 'upstream_quota', retryable: false }, 'Anthropic\'s limit of spending')
  t.match(await refused(429, {}, {}), { code: 'upstream_rate_limit' })
  t.match(await refused(500, {}, {}), { code: 'upstream_error', statusCode: 502, retryable: true })
  t.match(await refused(529, {}, { type: 'error', error: { type: 'overloaded_error' } }, streamMessages), { code: 'upstream_overloaded', statusCode: 503, retryable: true })
  t.match(await refused(503, { 'x-should-retry': 'false' }, {}), { retryable: false })
  t.match(await refused(404, {}, { error: 'model "m" not found, try pulling it first' }, streamOllamaChat), { code: 'upstream_not_found', statusCode: 502 })
  t.match(await refused(400, {}, { error: { code: 'context_length_exceeded' } }), { code: 'prompt_too_long', statusCode: 413 })
  t.match(await refused(422, {}, {}), { code: 'upstream_rejected', statusCode: 400 })
})

t.test('a status that is an error is one, whatever its body does', async t => {
  const code = 'upstream_overloaded'
  t.match(await askOnce(t, asked => { asked.answer(503, { 'content-type': 'text/html' }, '<html>') }), { error: { code } }, 'no JSON')
  t.match(await askOnce(t, asked => { asked.answer(503, {}, '') }), { error: { code } }, 'nothing')
  t.match(await askOnce(t, asked => { asked.head(503).chunk('{').socket.destroySoon() }), { error: { code } }, 'cut off')
  t.match(await askOnce(t, async asked => {
    for (asked.head(503); !asked.socket.destroyed;) await asked.write(framed('x'.repeat(10_000)))
  }), { error: { code } }, 'without an end')
})

t.test('a body of an error that does not come is not waited for', async t => {
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', { value: (callback: () => void, ms: number) => setTimeout(callback, ms === 5_000 ? 20 : ms) })
  const { error } = await askOnce(t, asked => { asked.head(503).chunk('{') })
  t.match(error, { code: 'upstream_overloaded' })
})

t.test('a redirection is not followed', async t => {
  for (const status of [301, 302, 307, 308]) {
    const { baseURL, asked } = await upstream(t, asked => { asked.answer(status, { location: '/v2/chat/completions' }, '') })
    const { error } = await collect(streamChatCompletions(BODY, { baseURL }))
    t.match(error, { code: 'redirected', statusCode: 502, retryable: false, upstreamStatus: status })
    t.equal(asked.length, 1)
  }
})

t.test('what comes before the response is passed over', async t => {
  const result = await askOnce(t, asked => {
    asked.socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n')
    asked.stream(chat({ content: 'Hi' }, 'stop'), DONE).end()
  })
  t.match(result, { text: 'Hi', error: undefined })
})

t.test('what is no answer is refused', async t => {
  for (const headers of [{ 'content-type': 'text/html; charset=utf-8' }, { 'content-type': '' }, { 'content-encoding': 'gzip' }, { 'content-type': 'application/x-ndjson' }] as Array<Record<string, string>>) {
    const { error } = await askOnce(t, asked => { asked.answer(200, headers, '<html><body>Welcome to the proxy') })
    t.match(error, { code: 'bad_content_type', statusCode: 502, retryable: false, upstreamStatus: 200 }, inspect(headers))
  }
  const { error } = await askOnce(t, asked => { asked.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi') })
  t.match(error, { code: 'bad_content_type' }, 'without a type')
})

t.test('JSON is an answer as well', async t => {
  const json = async (body: unknown): ReturnType<typeof collect> => await askOnce(t, asked => { asked.answer(200, { 'content-type': 'application/json; charset=utf-8' }, typeof body === 'string' ? body : JSON.stringify(body)) })
  t.strictSame((await json({ choices: [{ message: { content: 'größer 😀' }, finish_reason: 'stop' }] })).deltas, [{ type: 'text', text: 'größer 😀' }, { type: 'finish', reason: 'stop', usage: undefined }])
  t.match(await json({ error: { message: 'no', code: 500 } }), { deltas: [], error: { code: 'upstream_failed' } })
  t.match(await json('{"choices":'), { deltas: [], error: { code: 'bad_chunk' } })
  t.match(await json(`{"choices":"${'x'.repeat(1_048_576)}"}`), { error: { code: 'too_large' } })
})

t.test('a stream is read to its end, wherever it is cut', async t => {
  const text = `\uFEFF: hello\n\n${chat({ content: 'größer ' })}${chat({ content: '你😀' }).replaceAll('\n', '\r\n')}${chat({ content: '!' }, 'stop').replaceAll('\n', '\r')}${DONE}`
  const whole = await askOnce(t, asked => { asked.stream(text).end() })
  t.match(whole, { text: 'größer 你😀!', error: undefined })
  const bytewise = await askOnce(t, async asked => {
    asked.head()
    for (const byte of Buffer.from(text)) {
      await asked.write(framed(Uint8Array.of(byte)))
      await new Promise(resolve => { setImmediate(resolve) })
    }
    asked.end()
  })
  t.strictSame(bytewise, whole)
})

t.test('lines are read to their end, wherever they are cut', async t => {
  const text = `${JSON.stringify({ message: { content: 'größer ' }, done: false })}\n\n${JSON.stringify({ message: { content: '😀' }, done: false })}\r\n${JSON.stringify({ done: true, done_reason: 'stop' })}`
  for (const bytes of [[text], Buffer.from(text).map(byte => byte)]) {
    const result = await askOnce(t, async asked => {
      asked.head(200, { 'content-type': 'application/x-ndjson' })
      for (const piece of bytes) await asked.write(framed(typeof piece === 'string' ? piece : Uint8Array.of(piece)))
      asked.end()
    }, {}, streamOllamaChat)
    t.match(result, { text: 'größer 😀', error: undefined })
  }
})

t.test('an answer that ends', async t => {
  const ends = async (...texts: string[]): ReturnType<typeof collect> => await askOnce(t, asked => { asked.stream(...texts).end() })
  t.match(await ends(chat({ content: 'Hi' })), { text: 'Hi', error: { code: 'truncated', statusCode: 502 } }, 'without its last word is not whole')
  t.match(await ends(), { text: '', error: { code: 'truncated' } }, 'nor is nothing')
  t.match(await ends(chat({ content: 'Hi' }, 'stop')), { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined }, 'is whole where it says why')
  t.match(await ends(chat({ content: 'Hi' }), DONE), { deltas: [{}, { type: 'finish', reason: 'other' }], error: undefined }, 'or says that it is')
  t.match(await ends(chat({ content: 'Hi' }, 'stop'), 'data: [DONE]'), { text: 'Hi', error: undefined }, 'even without its last blank line')
  t.match(await ends(chat({ content: 'Hi' }, 'stop').trimEnd()), { text: 'Hi', error: undefined })
  const ollama = await askOnce(t, asked => { asked.answer(200, { 'content-type': 'application/x-ndjson' }, '{"message":{"content":"Hi"},"done":false}\n') }, {}, streamOllamaChat)
  t.match(ollama, { text: 'Hi', error: { code: 'truncated' } })
})

t.test('an answer that is cut off', async t => {
  const cut = async (how: (asked: Asked) => void, ...texts: string[]): ReturnType<typeof collect> => await askOnce(t, async asked => {
    asked.head()
    for (const text of texts) await new Promise(resolve => { asked.socket.write(framed(text), resolve) })
    how(asked)
  })
  const fin = (asked: Asked): void => { asked.socket.end() }
  t.match(await cut(fin, chat({ content: 'Hi' })), { text: 'Hi', error: { code: 'upstream_cut', statusCode: 502, retryable: true } }, 'keeps what there was')
  t.match(await cut(fin, chat({ content: 'Hi' }), 'data: {"cho'), { text: 'Hi', error: { code: 'upstream_cut' } })
  t.match(await cut(fin, chat({ content: 'Hi' }, 'stop')), { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined }, 'is whole where all was said')
  t.match(await cut(asked => { asked.socket.write('no chunk\r\n') }, chat({ content: 'Hi' })), { text: 'Hi', error: { code: 'upstream_cut' } }, 'or what comes is no HTTP any more')
  t.match(await askOnce(t, asked => { asked.socket.end() }), { deltas: [], error: { code: 'upstream_cut' } }, 'before it begins')

  // What was read before a reset is kept; that it was read has to be seen, because a reset overtakes.
  const { baseURL, next } = await upstream(t, asked => { asked.stream(chat({ content: 'Hi' })) })
  const deltas = streamChatCompletions(BODY, { baseURL })
  const coming = next()
  t.match(await deltas.next(), { value: { text: 'Hi' } })
  const rest = deltas.next();
  (await coming).socket.resetAndDestroy()
  await t.rejects(rest, { code: 'upstream_cut', message: /ECONNRESET|UND_ERR_SOCKET/ })
})

t.test('an error that is said in the stream', async t => {
  const fails = async (...texts: string[]): ReturnType<typeof collect> => await askOnce(t, asked => { asked.stream(chat({ content: 'Hi' }), ...texts).end() })
  t.match(await fails(sse({ error: { message: 'boom', type: 'InternalServerError', code: 500 } }), DONE), { text: 'Hi', deltas: { length: 1 }, error: { code: 'upstream_failed', retryable: true, upstreamStatus: undefined } }, 'is not made good by the end')
  t.match(await fails('event: error\ndata: {"type":"error","code":"rate_limit_exceeded","message":"slow"}\n\n'), { error: { code: 'upstream_rate_limit' } })
  t.match(await fails('event: error\ndata: no JSON\n\n'), { error: { code: 'upstream_failed' } })
  t.match(await fails('error: {"code":400,"message":"the request exceeds the available context size","type":"invalid_request_error"}\n\n'), { error: { code: 'prompt_too_long' } }, 'in the way of old llama.cpp')
  t.match(await fails(chat({}, 'stop'), sse({ error: 'boom' })), { deltas: { length: 1 }, error: { code: 'upstream_failed' } }, 'even after the reason to stop')
  t.match(await askOnce(t, asked => { asked.stream(sse({ type: 'message_start', message: {} }), 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n') }, {}, streamMessages), { error: { code: 'upstream_overloaded' } })
  t.match(await askOnce(t, asked => { asked.answer(200, { 'content-type': 'application/x-ndjson' }, '{"error":"boom"}\n') }, {}, streamOllamaChat), { error: { code: 'upstream_failed' } })
})

t.test('an error that is said in a stream of events with types', async t => {
  const ask = async (text: string, stream: Parameters<typeof askOnce>[3]): ReturnType<typeof collect> => await askOnce(t, asked => { asked.stream(text).end() }, {}, stream)
  const hi = sse({ type: 'response.output_text.delta', delta: 'Hi' })
  t.match(await ask(`${hi}event: error\ndata: {"type":"error","code":"server_error","message":"boom","param":null}\n\n`, streamResponses), { text: 'Hi', error: { code: 'upstream_failed', retryable: true } })
  t.match(await ask(hi + sse({ type: 'response.failed', response: { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'slow' } } }) + DONE, streamResponses), { text: 'Hi', error: { code: 'upstream_rate_limit' } }, 'is not made good by the end')
  t.match(await ask(hi + sse({ error: { message: 'no', code: '400' } }) + DONE, streamResponses), { text: 'Hi', error: { code: 'upstream_rejected', retryable: false } }, 'even without one')
  t.match(await ask(hi + DONE, streamResponses), { text: 'Hi', error: { code: 'truncated' } }, 'nor is an end that the protocol does not know one')
  const stopped = sse({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }) + sse({ type: 'message_delta', delta: { stop_reason: 'end_turn' } })
  t.match(await ask(stopped + sse({ error: { type: 'overloaded_error' } }), streamMessages), { text: 'Hi', deltas: { length: 1 }, error: { code: 'upstream_overloaded' } })
  t.match(await ask(stopped, streamMessages), { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined })
})

t.test('JSON is an answer in every protocol, and an error in it is one', async t => {
  const json = async (body: object, stream: Parameters<typeof askOnce>[3]): ReturnType<typeof collect> => await askOnce(t, asked => { asked.answer(200, JSON_TYPE, JSON.stringify(body)) }, {}, stream)
  const expected = { text: 'Hi', deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined }
  t.match(await json({ status: 'completed', output: [{ type: 'message', content: [{ type: 'output_text', text: 'Hi' }] }] }, streamResponses), expected)
  t.match(await json({ content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn' }, streamMessages), expected)
  t.match(await json({ message: { content: 'Hi' }, done: true, done_reason: 'stop' }, streamOllamaChat), expected)
  t.match(await json({ message: { content: 'Hi' }, done: false }, streamOllamaChat), { text: 'Hi', error: { code: 'truncated' } })
  t.match(await json({ status: 'in_progress', output: [] }, streamResponses), { deltas: [], error: { code: 'truncated' } })
  for (const stream of [streamResponses, streamMessages, streamOllamaChat] as Array<Parameters<typeof askOnce>[3]>) t.match(await json({ error: { type: 'rate_limit_error' } }, stream), { deltas: [], error: { code: 'upstream_rate_limit' } })
})

t.test('a response that ends with its connection, or before its length', async t => {
  const ends = async (head: string, text: string): ReturnType<typeof collect> => await askOnce(t, asked => { asked.socket.end(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n${head}\r\n${text}`) })
  t.match(await ends('connection: close\r\n', chat({ content: 'Hi' })), { text: 'Hi', error: { code: 'truncated' } })
  t.match(await ends('connection: close\r\n', chat({ content: 'Hi' }, 'stop') + DONE), { text: 'Hi', error: undefined })
  t.match(await ends('content-length: 1000\r\n', chat({ content: 'Hi' })), { text: 'Hi', error: { code: 'upstream_cut' } })
  t.match(await ends('content-length: 1000\r\n', chat({ content: 'Hi' }, 'stop') + DONE), { text: 'Hi', error: undefined })
})

t.test('what comes after the end does not count', async t => {
  for (const after of [sse({ error: 'boom' }), chat({ content: 'more' }), 'data: {\n\n', 'x'.repeat(2_000)]) {
    t.match(await askOnce(t, asked => { asked.stream(chat({ content: 'Hi' }, 'stop') + DONE + after).end() }, { maxEventBytes: 1_000 }), { text: 'Hi', error: undefined, deltas: { length: 2 } })
  }
})

t.test('what cannot be understood ends it, and the connection', async t => {
  for (const odd of ['data: {"choices":\n\n', 'data: hello\n\n', 'data: 5\n\n', chat({ content: 5 }), chat({ tool_calls: 5 })]) {
    const { baseURL, asked } = await upstream(t, asked => { asked.stream(chat({ content: 'Hi' }), odd) })
    t.match(await collect(streamChatCompletions(BODY, { baseURL })), { text: 'Hi', error: { code: 'bad_chunk', retryable: false } }, odd)
    await asked[0]!.closed
  }
})

t.test('what is too large ends it, and the connection', async t => {
  for (const [name, type, stream] of [['an event', 'text/event-stream', streamChatCompletions], ['a line', 'application/x-ndjson', streamOllamaChat], ['JSON', 'application/json', streamChatCompletions]] as const) {
    const { baseURL, asked } = await upstream(t, async asked => {
      for (asked.head(200, { 'content-type': type }); !asked.socket.destroyed;) await asked.write(framed(`data: ${'x'.repeat(1_000)}`))
    })
    t.match(await collect(stream(BODY, { baseURL, maxEventBytes: 50_000 })), { error: { code: 'too_large' } }, name)
    await asked[0]!.closed
    t.ok(asked[0]!.socket.bytesWritten < 20_000_000, 'without an end')
  }
})

t.test('a model that does not go on', async t => {
  const stalls = async (answer: (asked: Asked) => void, options: Partial<ModelOptions>): Promise<Awaited<ReturnType<typeof collect>>> => {
    const { baseURL, asked } = await upstream(t, answer)
    const result = await collect(streamChatCompletions(BODY, { baseURL, ...options }))
    await asked[0]!.closed
    t.equal(asked.length, 1, 'is not asked again')
    return result
  }
  /** Says that it is there, for ever. */
  const ping = (asked: Asked): void => {
    const timer = setInterval(() => { asked.chunk(`: PROCESSING\n\n${chat({ role: 'assistant', content: '' })}`) }, 5)
    asked.socket.once('close', () => { clearInterval(timer) })
  }
  t.match(await stalls(() => {}, { firstByteTimeout: 30 }), { error: { code: 'first_byte_timeout', statusCode: 504 } })
  t.match(await stalls(asked => { asked.head() }, { firstTokenTimeout: 30 }), { error: { code: 'first_token_timeout', statusCode: 504 } })
  t.match(await stalls(asked => { ping(asked.head()) }, { firstTokenTimeout: 50 }), { error: { code: 'first_token_timeout' } }, 'though it says that it is there')
  t.match(await stalls(asked => { asked.stream(chat({ content: 'Hi' })) }, { idleTimeout: 30 }), { text: 'Hi', error: { code: 'idle_timeout', statusCode: 504 } })
  t.match(await stalls(asked => { ping(asked.stream(chat({ content: 'Hi' }))) }, { idleTimeout: 50 }), { text: 'Hi', error: { code: 'idle_timeout' } }, 'though it says that it is there')
  t.match(await stalls(asked => { asked.stream(chat({ content: 'Hi' }, 'stop')) }, { idleTimeout: 30 }), { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined }, 'is not missed where all was said')
})

t.test('each delta has its own time, and that counts only while somebody asks', async t => {
  let more = (): void => {}
  const { baseURL } = await upstream(t, asked => {
    asked.stream(chat({ content: 'a' }) + chat({ content: 'b' }))
    more = () => { asked.chunk(chat({ content: 'c' })) }
  })
  const timers: Array<{ expire: () => void, refreshed: number }> = []
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => {
      const timer = setTimeout(callback, ms)
      if (ms !== 34_567) return timer
      const seen = { expire: callback, refreshed: 0 }
      timers.push(seen)
      return Object.assign(timer, { refresh: () => { seen.refreshed++ } })
    }
  })
  const deltas = streamChatCompletions(BODY, { baseURL, idleTimeout: 34_567 })
  t.match(await deltas.next(), { value: { text: 'a' } })
  const [timer] = timers
  timer!.expire()
  t.match(await deltas.next(), { value: { text: 'b' } })
  t.equal(timer!.refreshed, 0, 'nor where there is one already')
  for (let number = 1; number <= 3; number++) {
    const next = deltas.next()
    t.equal(timer!.refreshed, number)
    more()
    t.match(await next, { value: { text: 'c' } })
  }
  const next = deltas.next()
  timer!.expire()
  await t.rejects(next, { code: 'idle_timeout' })
  t.equal(timers.length, 1, 'there is one timer for all')
})

t.test('a delta and the failure after it in one piece leave no timer', async t => {
  const { setTimeout, clearTimeout } = globalThis
  const running = new Set<unknown>()
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => {
      const timer = setTimeout(callback, ms)
      if (ms === 34_567) running.add(timer)
      return timer
    }
  })
  t.intercept(globalThis, 'clearTimeout', {
    value: (timer: NodeJS.Timeout) => {
      running.delete(timer)
      clearTimeout(timer)
    }
  })
  for (const failure of [sse({ error: 'boom' }), 'data: {\n\n', DONE]) {
    const byHand = new ByHand()
    const result = collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher: byHand.dispatcher, firstTokenTimeout: 34_567, idleTimeout: 34_567 }))
    byHand.head(200, { 'content-type': 'text/event-stream' })
    t.equal(running.size, 1)
    byHand.say(chat({ content: 'Hi' }) + failure)
    t.equal(running.size, 0, failure)
    byHand.end()
    t.match(await result, { text: 'Hi' })
  }
})

const gone = new Error('gone')

/** When somebody may leave: how the model has answered by then, and how many deltas were taken. */
const MOMENTS: Array<[moment: string, answer: (asked: Asked) => void, taken: number]> = [
  ['before the response', () => {}, 0],
  ['before the first delta', asked => { asked.head() }, 0],
  ['between two deltas', asked => { asked.stream(chat({ content: 'Hi' })) }, 1],
  ['before the last word', asked => { asked.stream(chat({ content: 'Hi' }, 'stop')) }, 1],
  ['while a body of an error is read', asked => { asked.head(500).chunk('{') }, 0]
]

t.test('an abortion closes the connection at once, and rejects with its reason', async t => {
  for (const [moment, answer, taken] of MOMENTS) {
    const { baseURL, next } = await upstream(t, answer)
    const controller = new AbortController()
    const deltas = streamChatCompletions(BODY, { baseURL, signal: controller.signal })
    const coming = next()
    for (let number = 0; number < taken; number++) await deltas.next()
    const waiting = deltas.next()
    const asked = await coming
    controller.abort(gone)
    await t.rejects(waiting, gone, moment)
    await asked.closed
    t.strictSame(await deltas.next(), { done: true, value: undefined })
  }
})

t.test('who stops asking closes the connection at once, though it waits', async t => {
  for (const [moment, answer, taken] of MOMENTS) {
    const { baseURL, next } = await upstream(t, answer)
    const deltas = streamChatCompletions(BODY, { baseURL })
    const coming = next()
    for (let number = 0; number < taken; number++) await deltas.next()
    const waiting = deltas.next()
    const asked = await coming
    await deltas.return()
    t.strictSame(await waiting, { done: true, value: undefined }, moment)
    await asked.closed
  }
})

t.test('a loop that is left closes the connection', async t => {
  const { baseURL, asked } = await upstream(t, asked => { asked.stream(chat({ content: 'Hi' })) })
  for await (const { type } of streamChatCompletions(BODY, { baseURL })) if (type === 'text') break
  await asked[0]!.closed
  t.pass('closed')
})

t.test('what was aborted before there is a connection is never asked', async t => {
  const { baseURL, asked } = await upstream(t, asked => { asked.stream(chat({ content: 'Hi' }, 'stop'), DONE).end() })
  const connect = buildConnector({})
  let goOn = (): void => {}
  let connected: Promise<unknown> | undefined
  const dispatcher = agent(t, (options, callback) => {
    goOn = () => {
      connected = new Promise<void>(resolve => {
        connect(options, (...result) => {
          callback(...result as [null, never])
          result[1]!.once('close', () => { resolve() })
        })
      })
    }
  })
  const controller = new AbortController()
  const deltas = streamChatCompletions(BODY, { baseURL, dispatcher, signal: controller.signal })
  const waiting = deltas.next()
  controller.abort(gone)
  await t.rejects(waiting, gone)
  goOn()
  await connected
  t.equal(asked.length, 0)
})

t.test('a signal that has aborted asks nothing', async t => {
  const { baseURL, asked } = await upstream(t)
  await t.rejects(streamChatCompletions(BODY, { baseURL, signal: AbortSignal.abort(gone) }).next(), gone)
  t.equal(asked.length, 0)
})

t.test('a connection is kept for the next', async t => {
  const { baseURL, asked } = await upstream(t, asked => { asked.stream(chat({ content: 'Hi' }, 'stop'), DONE).end() })
  // The last bytes may come a little after the end of the answer; the next has to wait for them.
  const dispatcher = new Agent({ connections: 1 })
  t.teardown(() => dispatcher.destroy())
  for (let number = 0; number < 3; number++) {
    t.match(await collect(streamChatCompletions(BODY, { baseURL, dispatcher })), { text: 'Hi', error: undefined })
  }
  t.equal(new Set(asked.map(({ socket }) => socket)).size, 1)
})

t.test('an answer does not wait for the end of the response, which is not waited for long', async t => {
  const { baseURL, asked } = await upstream(t, asked => { asked.stream(chat({ content: 'Hi' }, 'stop'), DONE) })
  t.match(await collect(streamChatCompletions(BODY, { baseURL })), { text: 'Hi', error: undefined })
  t.notOk(asked[0]!.socket.destroyed)
  await asked[0]!.closed
  t.pass('closed')
})

t.test('what follows an answer is not read for long', async t => {
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', { value: (callback: () => void, ms: number) => setTimeout(callback, ms === 1_000 ? 600_000 : ms) })
  const { baseURL, asked } = await upstream(t, async asked => {
    for (asked.stream(chat({ content: 'Hi' }, 'stop'), DONE); !asked.socket.destroyed;) await asked.write(framed('x'.repeat(1_000)))
  })
  t.match(await collect(streamChatCompletions(BODY, { baseURL })), { text: 'Hi', error: undefined })
  await asked[0]!.closed
  t.pass('closed')
})

t.test('no more is read than is asked for, but for a little', async t => {
  const byHand = new ByHand()
  const deltas = streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher: byHand.dispatcher })
  const first = deltas.next()
  byHand.head(200, { 'content-type': 'text/event-stream' })
  byHand.say(chat({ content: 'first' }))
  t.match(await first, { value: { text: 'first' } })
  let said = 0
  while (!byHand.paused) {
    byHand.say(chat({ content: 'x'.repeat(1_000) }))
    said++
  }
  t.ok(said > 50 && said < 70, `${said} KiB`)
  for (let taken = 0; taken < said; taken++) {
    await deltas.next()
    t.ok(byHand.paused)
  }
  const next = deltas.next()
  t.notOk(byHand.paused, 'when all is taken')
  byHand.say(chat({ content: 'next' }))
  t.match(await next, { value: { text: 'next' } })
  for (let read = 0; read < 1_000; read++) {
    const next = deltas.next()
    byHand.say(chat({ content: 'x'.repeat(1_000) }))
    await next
  }
  t.notOk(byHand.paused, 'nor where it is taken as it comes')
  await deltas.return()
})

t.test('a client that takes nothing holds the model up, and loses nothing', async t => {
  const total = 20_000
  let said = 0
  const { baseURL, asked } = await upstream(t, async asked => {
    for (asked.head(); said < total; said++) await asked.write(framed(chat({ content: `${said} `.padEnd(1_000) })))
    asked.chunk(DONE).end()
  })
  const deltas = streamChatCompletions(BODY, { baseURL })
  await deltas.next()
  // Until it does not get any further.
  for (let before = -1, same = 0; same < 20; before = said) {
    same = before === said ? same + 1 : 0
    await new Promise(resolve => { setTimeout(resolve, 10) })
  }
  t.ok(said < total, `${said} of ${total}`)
  t.ok(asked[0]!.socket.writableNeedDrain)
  const { deltas: rest, error } = await collect(deltas)
  t.equal(error, undefined)
  t.strictSame(rest.slice(0, -1).map(delta => delta.type === 'text' ? Number(delta.text) : NaN), Array.from({ length: total - 1 }, (_, index) => index + 1))
})

t.test('a client that holds the model up may leave', async t => {
  const { baseURL, asked } = await upstream(t, async asked => {
    for (asked.head(); !asked.socket.destroyed;) await asked.write(framed(chat({ content: 'x'.repeat(1_000) })))
  })
  for (const leave of ['abort', 'return']) {
    const controller = new AbortController()
    const deltas = streamChatCompletions(BODY, { baseURL, signal: controller.signal })
    await deltas.next()
    while (!asked.at(-1)!.socket.writableNeedDrain) await new Promise(resolve => { setTimeout(resolve, 5) })
    if (leave === 'abort') {
      controller.abort(gone)
      await t.rejects(deltas.next(), gone)
    } else {
      t.strictSame(await deltas.return(), { done: true, value: undefined })
    }
    await asked.at(-1)!.closed
  }
})

t.test('no error tells of keys, addresses, or what the upstream has said', async t => {
  const secret = '5ecret'
  const texts = [sse({ error: { message: secret, code: secret, type: secret } }), `event: error\ndata: ${secret}\n\n`, `error: ${secret}\n\n`, `data: {"${secret}\n\n`, chat({ content: { [secret]: 1 } })]
  const answers: Array<(asked: Asked) => void> = [
    ...[302, 400, 401, 403, 404, 413, 429, 500, 503, 529].map(status => (asked: Asked) => {
      asked.answer(status, { ...JSON_TYPE, location: `http://${secret}.example`, 'x-request-id': secret }, JSON.stringify({ error: { message: secret, code: secret, type: secret } }))
    }),
    ...texts.map(text => (asked: Asked) => { asked.stream(text).end() }),
    asked => { asked.answer(200, { 'content-type': `text/${secret}` }, secret) },
    asked => { asked.answer(200, JSON_TYPE, `{"${secret}`) },
    asked => { asked.stream(chat({ content: secret })).end() },
    asked => { asked.stream(chat({ content: secret })).socket.end() },
    asked => { asked.socket.end(`HTTP/1.1 ${secret}\r\n\r\n`) },
    asked => { asked.stream().socket.write(`${secret}\r\n`) },
    asked => { asked.stream(`data: ${secret.repeat(1_000)}`) },
    () => {}
  ]
  const { baseURL } = await upstream(t, (asked, number) => { answers[number - 1]!(asked) })
  const secretly = (url: string, number = 0): ModelOptions => ({
    baseURL: `${url.replace('//', `//user:${secret}@`)}/${secret}?key=${secret}`,
    apiKey: secret,
    headers: { 'x-key': secret },
    retries: 0,
    maxEventBytes: 1_000,
    // The last does not answer.
    firstByteTimeout: number === answers.length - 1 ? 30 : 60_000
  })
  const errors = []
  for (let number = 0; number < answers.length; number++) errors.push((await collect(streamChatCompletions({ ...BODY, user: secret }, secretly(baseURL, number)))).error)
  errors.push((await collect(streamChatCompletions(BODY, secretly(`http://${await nowhere()}`)))).error)
  t.equal(errors.length, answers.length + 1)
  for (const error of errors) {
    t.match(error, { name: 'ModelError' })
    t.notMatch(inspect(error, { depth: Infinity, showHidden: true }), new RegExp(secret))
    t.notMatch(JSON.stringify(error), new RegExp(secret))
  }
})
