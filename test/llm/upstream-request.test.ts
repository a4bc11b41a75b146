import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t, { type Test } from 'tap'
import { Agent, buildConnector, errors, MockAgent, ProxyAgent } from 'undici'
import { streamChatCompletions, streamMessages, streamOllamaChat, type ModelDeltas, type ModelOptions } from '../../plugin/llm/index.ts'
import { openaiChatCompletions } from '../../plugin/llm/protocols/openai-chat-completions.ts'
import type { Protocol } from '../../plugin/llm/protocols/protocol.ts'
import { streamModel } from '../../plugin/llm/stream-model.ts'
import { chatChunk, closedAddress, collect, DONE, httpChunk, ManualUpstream, sseEvent, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

type Collected = ReturnType<typeof collect>
type Respond = (request: ReceivedRequest) => void | Promise<void>
type Stream = (body: typeof BODY, options: ModelOptions) => ModelDeltas

const BODY = { model: 'm', max_tokens: 10, messages: [] }
const ANSWER = chatChunk({ content: 'Hi' }, 'stop') + DONE
const FINISHED = { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined }

/** Sends one request, without retries. */
async function request (t: Test, respond: Respond, options: Partial<ModelOptions> = {}, stream: Stream = streamChatCompletions): Collected {
  const { baseURL } = await startUpstream(t, respond)
  return await collect(stream(BODY, { baseURL, retries: 0, ...options }))
}

function createAgent (t: Test, connect: buildConnector.connector): Agent {
  const agent = new Agent({ connect })
  t.teardown(() => agent.destroy())
  return agent
}

/** Writes until the connection closes. */
async function writeEndlessly (request: ReceivedRequest, text: string): Promise<void> {
  while (!request.socket.destroyed) await request.write(httpChunk(text))
}

t.test('a connection that cannot be established', async t => {
  const connect = async (options: Partial<ModelOptions>): Promise<unknown> => (await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', retries: 0, ...options }))).error

  t.test('is refused', async t => {
    t.match(await connect({ baseURL: `http://${await closedAddress()}` }), { code: 'upstream_unreachable', message: 'The model cannot be reached (ECONNREFUSED)', statusCode: 502, retryable: true })
  })

  t.test('has an unknown host', async t => {
    const dispatcher = createAgent(t, buildConnector({
      lookup: (_host: string, _options: object, callback: (error: Error) => void) => { callback(Object.assign(new Error('getaddrinfo ENOTFOUND models.example'), { code: 'ENOTFOUND' })) }
    } as buildConnector.BuildOptions))
    t.match(await connect({ dispatcher }), { code: 'upstream_unreachable', message: /\(ENOTFOUND\)$/ })
  })

  t.test('has an untrusted certificate', async t => {
    const tls = new URL('../fixtures/tls/', import.meta.url)
    const server = createTlsServer({ key: readFileSync(new URL('key.pem', tls)), cert: readFileSync(new URL('cert.pem', tls)) }, () => { t.fail('connected') })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    t.match(await connect({ baseURL: `https://127.0.0.1:${(server.address() as AddressInfo).port}` }), { code: 'upstream_unreachable', message: /SELF_SIGNED/ })
  })

  t.test('exceeds connectTimeout', async t => {
    t.match(await connect({ connectTimeout: 20, dispatcher: createAgent(t, () => {}) }), { code: 'upstream_connect_timeout', statusCode: 504, retryable: true })
  })

  t.test('exceeds the timeout of its dispatcher', async t => {
    const dispatcher = createAgent(t, (_options, callback) => { callback(new errors.ConnectTimeoutError(), null) })
    t.match(await connect({ dispatcher }), { code: 'upstream_connect_timeout' })
  })

  t.test('has a dispatcher that throws', async t => {
    // ProxyAgent refuses this header in dispatch().
    const headers = { 'proxy-authorization': 'Basic x' }
    const dispatcher = new ProxyAgent(`http://${await closedAddress()}`)
    t.teardown(() => dispatcher.destroy())
    t.match(await connect({ headers, dispatcher }), { code: 'upstream_unreachable', cause: Error })
  })
})

t.test('the dispatcher can be a mock', async t => {
  const dispatcher = new MockAgent()
  t.teardown(() => dispatcher.close())
  dispatcher.get('http://models.example').intercept({ path: '/v1/chat/completions', method: 'POST' }).reply(200, ANSWER, { headers: { 'content-type': 'text/event-stream' } })
  t.match(await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example/v1', dispatcher })), { text: 'Hi', error: undefined })
})

t.test('an error response is mapped by its status, headers and body', async t => {
  const respond = async (status: number, headers: Record<string, string>, body: unknown, stream?: Stream): Promise<unknown> =>
    (await request(t, request => { request.respond(status, { 'content-type': 'application/json', ...headers }, JSON.stringify(body)) }, {}, stream)).error

  t.match(await respond(401, {}, { error: { code: 'invalid_api_key' } }), { code: 'upstream_auth', statusCode: 502, upstreamStatus: 401 })
  t.match(await respond(429, { 'retry-after': '7' }, {}), { code: 'upstream_rate_limit', statusCode: 429, retryAfter: 7_000, headers: { 'retry-after': '7' } })
  t.match(await respond(429, { 'retry-after-ms': '70' }, {}), { retryAfter: 70, headers: { 'retry-after': '1' } })
  t.match(await respond(429, { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() }, {}), { retryAfter: Number })
  t.match(await respond(429, { 'retry-after': '7' }, { error: { code: 'insufficient_quota' } }), { code: 'upstream_quota', retryable: false })
  t.match(await respond(429, {}, {}, streamMessages), { code: 'upstream_quota', retryable: false }, 'Anthropic\'s spending limit')
  t.match(await respond(429, {}, {}), { code: 'upstream_rate_limit' })
  t.match(await respond(529, {}, { type: 'error', error: { type: 'overloaded_error' } }, streamMessages), { code: 'upstream_overloaded', statusCode: 503, retryable: true })
  t.match(await respond(503, { 'x-should-retry': 'false' }, {}), { retryable: false })
  t.match(await respond(404, {}, { error: 'model "m" not found, try pulling it first' }, streamOllamaChat), { code: 'upstream_not_found', statusCode: 502 })
  t.match(await respond(400, {}, { error: { code: 'context_length_exceeded' } }), { code: 'prompt_too_long', statusCode: 413 })
})

t.test('an error response is an error whatever its body', async t => {
  const code = 'upstream_overloaded'
  t.match(await request(t, request => { request.respond(503, { 'content-type': 'text/html' }, '<html>') }), { error: { code } }, 'not JSON')
  t.match(await request(t, request => { request.respond(503, {}, '') }), { error: { code } }, 'empty')
  t.match(await request(t, request => { request.writeHead(503).writeChunk('{').socket.destroySoon() }), { error: { code } }, 'cut off')
  t.match(await request(t, async request => { await writeEndlessly(request.writeHead(503), 'x'.repeat(10_000)) }), { error: { code } }, 'endless')
})

t.test('a redirect is not followed', async t => {
  for (const status of [301, 302, 307, 308]) {
    const { baseURL, requests } = await startUpstream(t, request => { request.respond(status, { location: '/v2/chat/completions' }, '') })
    const { error } = await collect(streamChatCompletions(BODY, { baseURL }))
    t.match(error, { code: 'redirected', statusCode: 502, retryable: false, upstreamStatus: status })
    t.equal(requests.length, 1)
  }
})

t.test('informational responses are ignored', async t => {
  const result = await request(t, request => {
    request.socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n')
    request.stream(ANSWER).end()
  })
  t.match(result, { text: 'Hi', error: undefined })
})

t.test('a response that ends is complete with a finish reason or the end of the protocol, and truncated otherwise', async t => {
  const respond = async (...texts: string[]): Collected => await request(t, request => { request.stream(...texts).end() })
  t.match(await respond(chatChunk({ content: 'Hi' })), { text: 'Hi', error: { code: 'truncated', statusCode: 502 } })
  t.match(await respond(), { text: '', error: { code: 'truncated' } })
  t.match(await respond(chatChunk({ content: 'Hi' }, 'stop')), FINISHED, 'finish reason without [DONE]')
  t.match(await respond(chatChunk({ content: 'Hi' }), DONE), { deltas: [{}, { type: 'finish', reason: 'other' }], error: undefined }, '[DONE] without finish reason')
  t.match(await respond(chatChunk({ content: 'Hi' }, 'stop'), 'data: [DONE]'), { text: 'Hi', error: undefined }, 'no last blank line')
  t.match(await respond(chatChunk({ content: 'Hi' }, 'stop').trimEnd()), { text: 'Hi', error: undefined })
  t.match(await respond(chatChunk({ content: '' }, 'stop'), chatChunk({ content: 'Let me thi' })), { text: 'Let me thi', error: { code: 'truncated' } }, 'a finish reason before the text')
  t.match(await respond(DONE), { text: '', error: { code: 'truncated' } }, '[DONE] alone')
  const ollama = await request(t, request => { request.respond(200, { 'content-type': 'application/x-ndjson' }, '{"message":{"content":"Hi"},"done":false}\n') }, {}, streamOllamaChat)
  t.match(ollama, { text: 'Hi', error: { code: 'truncated' } })
})

t.test('a lost connection keeps the deltas received so far', async t => {
  const disconnect = async (close: Respond, ...texts: string[]): Collected => await request(t, async request => {
    request.writeHead()
    for (const text of texts) await new Promise(resolve => { request.socket.write(httpChunk(text), resolve) })
    await close(request)
  })
  const end = ({ socket }: ReceivedRequest): void => { socket.end() }
  t.match(await disconnect(end, chatChunk({ content: 'Hi' })), { text: 'Hi', error: { code: 'upstream_cut', statusCode: 502, retryable: true } })
  t.match(await disconnect(end, chatChunk({ content: 'Hi' }), 'data: {"cho'), { text: 'Hi', error: { code: 'upstream_cut' } })
  t.match(await disconnect(end, chatChunk({ content: 'Hi' }, 'stop')), FINISHED, 'complete after a finish reason')
  t.match(await disconnect(({ socket }) => { socket.write('no chunk\r\n') }, chatChunk({ content: 'Hi' })), { text: 'Hi', error: { code: 'upstream_cut' } }, 'invalid HTTP')
  t.match(await request(t, end), { deltas: [], error: { code: 'upstream_cut' } }, 'before the response')
})

t.test('a connection reset keeps the deltas read before it', async t => {
  const { baseURL, nextRequest } = await startUpstream(t, request => { request.stream(chatChunk({ content: 'Hi' })) })
  const deltas = streamChatCompletions(BODY, { baseURL })
  const received = nextRequest()
  t.match(await deltas.next(), { value: { text: 'Hi' } })
  const next = deltas.next();
  (await received).socket.resetAndDestroy()
  await t.rejects(next, { code: 'upstream_cut', message: /ECONNRESET|UND_ERR_SOCKET/ })
})

t.test('a response can end with its connection, or before its Content-Length', async t => {
  const respond = async (header: string, text: string): Collected => await request(t, ({ socket }) => { socket.end(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n${header}\r\n${text}`) })
  t.match(await respond('connection: close\r\n', chatChunk({ content: 'Hi' })), { text: 'Hi', error: { code: 'truncated' } })
  t.match(await respond('connection: close\r\n', ANSWER), { text: 'Hi', error: undefined })
  t.match(await respond('content-length: 1000\r\n', chatChunk({ content: 'Hi' })), { text: 'Hi', error: { code: 'upstream_cut' } })
  t.match(await respond('content-length: 1000\r\n', ANSWER), { text: 'Hi', error: undefined })
})

t.test('data after the end of the answer is ignored', async t => {
  for (const trailing of [sseEvent({ error: 'boom' }), chatChunk({ content: 'more' }), 'data: {\n\n', 'x'.repeat(2_000)]) {
    t.match(await request(t, request => { request.stream(ANSWER + trailing).end() }, { maxEventBytes: 1_000 }), { text: 'Hi', error: undefined, deltas: { length: 2 } })
  }
})

t.test('malformed data fails the request and closes the connection', async t => {
  for (const malformed of ['data: {"choices":\n\n', 'data: hello\n\n', 'data: 5\n\n', chatChunk({ content: { x: 5 } }), chatChunk({ tool_calls: 5 })]) {
    const { baseURL, requests } = await startUpstream(t, request => { request.stream(chatChunk({ content: 'Hi' }), malformed) })
    t.match(await collect(streamChatCompletions(BODY, { baseURL })), { text: 'Hi', error: { code: 'bad_chunk', retryable: false, cause: Error } }, malformed)
    await requests[0]!.closed
  }
})

t.test('a bug is not reported as a failure of the model, and the connection is closed', async t => {
  const bug = new TypeError('a bug')
  const answers: Respond[] = [
    request => { request.stream(ANSWER) },
    request => { request.respond(200, { 'content-type': 'application/json' }, '{}') },
    request => { request.stream('data: end\n\n') }
  ]
  for (const respond of answers) {
    const { baseURL, requests } = await startUpstream(t, respond)
    const broken: Protocol = {
      ...openaiChatCompletions,
      readEvent: (data, writer) => {
        if (data === 'end') writer.end()
        throw bug
      },
      readWholeAnswer: () => { throw bug }
    }
    t.equal((await collect(streamModel(broken, BODY, { baseURL }))).error, bug)
    t.equal(requests.length, 1, 'the request is not repeated')
  }
})

t.test('data above maxEventBytes fails the request and closes the connection', async t => {
  for (const [type, stream] of [['text/event-stream', streamChatCompletions], ['application/x-ndjson', streamOllamaChat], ['application/json', streamChatCompletions]] as const) {
    const { baseURL, requests } = await startUpstream(t, async request => { await writeEndlessly(request.writeHead(200, { 'content-type': type }), `data: ${'x'.repeat(1_000)}`) })
    t.match(await collect(stream(BODY, { baseURL, maxEventBytes: 50_000 })), { error: { code: 'too_large' } }, type)
    await requests[0]!.closed
    t.ok(requests[0]!.socket.bytesWritten < 20_000_000, 'the data is not buffered first')
  }
})

const aborted = new Error('aborted')

/** When a consumer can cancel: what the upstream has sent by then, and how many deltas were read. */
const CANCEL_POINTS: Array<[name: string, respond: Respond, deltasRead: number]> = [
  ['before the response', () => {}, 0],
  ['before the first delta', request => { request.writeHead() }, 0],
  ['between two deltas', request => { request.stream(chatChunk({ content: 'Hi' })) }, 1],
  ['after the finish reason', request => { request.stream(chatChunk({ content: 'Hi' }, 'stop')) }, 1],
  ['while the body of an error response is read', request => { request.writeHead(500).writeChunk('{') }, 0]
]

t.test('aborting the signal closes the connection and rejects with its reason', async t => {
  for (const [name, respond, deltasRead] of CANCEL_POINTS) {
    const { baseURL, nextRequest } = await startUpstream(t, respond)
    const controller = new AbortController()
    const deltas = streamChatCompletions(BODY, { baseURL, signal: controller.signal })
    const received = nextRequest()
    for (let number = 0; number < deltasRead; number++) await deltas.next()
    const pending = deltas.next()
    const request = await received
    controller.abort(aborted)
    await t.rejects(pending, aborted, name)
    await request.closed
    t.strictSame(await deltas.next(), { done: true, value: undefined })
  }
})

t.test('return() closes the connection, even with a pending read', async t => {
  for (const [name, respond, deltasRead] of CANCEL_POINTS) {
    const { baseURL, nextRequest } = await startUpstream(t, respond)
    const deltas = streamChatCompletions(BODY, { baseURL })
    const received = nextRequest()
    for (let number = 0; number < deltasRead; number++) await deltas.next()
    const pending = deltas.next()
    const request = await received
    await deltas.return()
    t.strictSame(await pending, { done: true, value: undefined }, name)
    await request.closed
  }
})

t.test('leaving a for await loop closes the connection', async t => {
  const { baseURL, requests } = await startUpstream(t, request => { request.stream(chatChunk({ content: 'Hi' })) })
  for await (const { type } of streamChatCompletions(BODY, { baseURL })) if (type === 'text') break
  await requests[0]!.closed
  t.equal(requests.length, 1)
})

t.test('a request aborted while connecting is never sent', async t => {
  const { baseURL, requests } = await startUpstream(t, request => { request.stream(ANSWER).end() })
  const connect = buildConnector({})
  let finishConnecting = (): void => {}
  let connectionClosed: Promise<unknown> | undefined
  const dispatcher = createAgent(t, (options, callback) => {
    finishConnecting = () => {
      connectionClosed = new Promise<void>(resolve => {
        connect(options, (...result) => {
          callback(...result as [null, never])
          result[1]!.once('close', () => { resolve() })
        })
      })
    }
  })
  const controller = new AbortController()
  const pending = streamChatCompletions(BODY, { baseURL, dispatcher, signal: controller.signal }).next()
  controller.abort(aborted)
  await t.rejects(pending, aborted)
  finishConnecting()
  await connectionClosed
  t.equal(requests.length, 0)
})

t.test('a signal that is already aborted sends no request', async t => {
  const { baseURL, requests } = await startUpstream(t)
  await t.rejects(streamChatCompletions(BODY, { baseURL, signal: AbortSignal.abort(aborted) }).next(), aborted)
  t.equal(requests.length, 0)
})

t.test('the connection is reused after a complete answer', async t => {
  const { baseURL, requests } = await startUpstream(t, request => { request.stream(ANSWER).end() })
  // With a single connection, the next request has to wait for the end of the response.
  const dispatcher = new Agent({ connections: 1 })
  t.teardown(() => dispatcher.destroy())
  for (let number = 0; number < 3; number++) {
    t.match(await collect(streamChatCompletions(BODY, { baseURL, dispatcher })), { text: 'Hi', error: undefined })
  }
  t.equal(new Set(requests.map(({ socket }) => socket)).size, 1)
})

t.test('a connection that sends too much after the answer is closed', async t => {
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', { value: (callback: () => void, ms: number) => setTimeout(callback, ms === 1_000 ? 600_000 : ms) })
  const { baseURL, requests } = await startUpstream(t, async request => { await writeEndlessly(request.stream(ANSWER), 'x'.repeat(1_000)) })
  t.match(await collect(streamChatCompletions(BODY, { baseURL })), { text: 'Hi', error: undefined })
  await requests[0]!.closed
  t.ok(requests[0]!.socket.destroyed)
})

t.test('the response is paused at 64 KiB without demand, and resumed when the queue is read', async t => {
  const upstream = new ManualUpstream()
  const deltas = streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher: upstream.dispatcher })
  const first = deltas.next()
  upstream.writeHead(200, { 'content-type': 'text/event-stream' })
  upstream.write(chatChunk({ content: 'first' }))
  t.match(await first, { value: { text: 'first' } })
  let written = 0
  while (!upstream.paused) {
    upstream.write(chatChunk({ content: 'x'.repeat(1_000) }))
    written++
  }
  t.ok(written > 50 && written < 70, `${written} KiB`)
  for (let read = 0; read < written; read++) {
    await deltas.next()
    t.ok(upstream.paused)
  }
  const next = deltas.next()
  t.notOk(upstream.paused)
  upstream.write(chatChunk({ content: 'next' }))
  t.match(await next, { value: { text: 'next' } })
  for (let read = 0; read < 1_000; read++) {
    const next = deltas.next()
    upstream.write(chatChunk({ content: 'x'.repeat(1_000) }))
    await next
  }
  t.notOk(upstream.paused, 'not paused while deltas are read as they arrive')
  await deltas.return()
})

t.test('a consumer that stops reading stops the upstream, and later receives everything', async t => {
  const total = 20_000
  let sent = 0
  const { baseURL, requests } = await startUpstream(t, async request => {
    for (request.writeHead(); sent < total; sent++) await request.write(httpChunk(chatChunk({ content: `${sent} `.padEnd(1_000) })))
    request.writeChunk(DONE).end()
  })
  const deltas = streamChatCompletions(BODY, { baseURL })
  await deltas.next()
  // Until nothing has been sent for 200 ms.
  for (let before = -1, unchanged = 0; unchanged < 20; before = sent) {
    unchanged = before === sent ? unchanged + 1 : 0
    await new Promise(resolve => { setTimeout(resolve, 10) })
  }
  t.ok(sent < total, `${sent} of ${total}`)
  t.ok(requests[0]!.socket.writableNeedDrain)
  const { deltas: rest, error } = await collect(deltas)
  t.equal(error, undefined)
  t.strictSame(rest.slice(0, -1).map(delta => delta.type === 'text' ? Number(delta.text) : NaN), Array.from({ length: total - 1 }, (_, index) => index + 1))
})

t.test('a paused response can be aborted or returned', async t => {
  const { baseURL, requests } = await startUpstream(t, async request => { await writeEndlessly(request.writeHead(), chatChunk({ content: 'x'.repeat(1_000) })) })
  for (const method of ['abort', 'return']) {
    const controller = new AbortController()
    const deltas = streamChatCompletions(BODY, { baseURL, signal: controller.signal })
    await deltas.next()
    while (!requests.at(-1)!.socket.writableNeedDrain) await new Promise(resolve => { setTimeout(resolve, 5) })
    if (method === 'abort') {
      controller.abort(aborted)
      await t.rejects(deltas.next(), aborted)
    } else {
      t.strictSame(await deltas.return(), { done: true, value: undefined })
    }
    await requests.at(-1)!.closed
  }
})
