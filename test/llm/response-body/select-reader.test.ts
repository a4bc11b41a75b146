import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { streamChatCompletions, streamMessages, streamOllamaChat, streamResponses, type ModelDeltas, type ModelOptions } from '../../../plugin/llm/index.ts'
import { chatChunk, collect, DONE, httpChunk, ManualUpstream, sseEvent, startUpstream, type ReceivedRequest } from '../../fixtures/upstream.ts'

type Collected = ReturnType<typeof collect>
type Stream = (body: { model: string, max_tokens: number, messages: [] }, options: ModelOptions) => ModelDeltas

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }
const NDJSON_TYPE = { 'content-type': 'application/x-ndjson' }

/** Sends one request, without retries. */
async function request (t: Test, stream: Stream, handler: (request: ReceivedRequest) => void | Promise<void>): Collected {
  const { baseURL } = await startUpstream(t, handler)
  return await collect(stream({ model: 'm', max_tokens: 10, messages: [] }, { baseURL, retries: 0 }))
}

t.test('a response with another Content-Type or a Content-Encoding is refused', async t => {
  const rejected: Array<Record<string, string>> = [{ 'content-type': 'text/html; charset=utf-8' }, { 'content-type': '' }, { 'content-encoding': 'gzip' }, NDJSON_TYPE]
  for (const headers of rejected) {
    const { error } = await request(t, streamChatCompletions, request => { request.respond(200, headers, '<html><body>Welcome to the proxy') })
    t.match(error, { code: 'bad_content_type', statusCode: 502, retryable: false, upstreamStatus: 200 }, inspect(headers))
  }
  const { error } = await request(t, streamChatCompletions, request => { request.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nHi') })
  t.match(error, { code: 'bad_content_type' }, 'no Content-Type')
})

t.test('a body that is not compressed is read, whatever its Content-Encoding', async t => {
  for (const encoding of ['', 'identity', 'Identity', 'none', 'None', 'UTF-8', 'utf8', 'identity, identity', 'identity,none', 'chunked']) {
    t.match(await request(t, streamChatCompletions, request => { request.respond(200, { 'content-encoding': encoding }, chatChunk({ content: 'Hi' }, 'stop')) }), { text: 'Hi', error: undefined }, encoding)
  }
  for (const encoding of ['gzip', 'br', 'identity, gzip', 'deflate', 'zstd', 'nonesuch']) {
    t.match(await request(t, streamChatCompletions, request => { request.respond(200, { 'content-encoding': encoding }, chatChunk({ content: 'Hi' }, 'stop')) }), { error: { code: 'bad_content_type' } }, encoding)
  }
})

/** Reads a body with any Content-Type, or without one, in chunks of some size. */
async function respondAs (stream: Stream, type: string | undefined, body: string, chunkSize = Infinity): Collected {
  const upstream = new ManualUpstream()
  const result = collect(stream({ model: 'm', max_tokens: 10, messages: [] }, { baseURL: 'http://models.example', retries: 0, dispatcher: upstream.dispatcher }))
  upstream.writeHead(200, type === undefined ? {} : { 'content-type': type })
  const bytes = Buffer.from(body)
  for (let start = 0; start < bytes.length; start += chunkSize) upstream.write(bytes.subarray(start, start + chunkSize))
  upstream.end()
  return await result
}

const TYPES = [undefined, 'text/event-stream', 'text/plain', 'text/html', 'application/octet-stream', 'application/json', 'application/ndjson', 'application/jsonl', 'application/x-ndjson', 'TEXT/EVENT-STREAM; charset=utf-8']

t.test('the first bytes of the body decide how it is read, whatever its Content-Type', async t => {
  const events = chatChunk({ content: 'H' }) + chatChunk({ content: 'i' }, 'stop') + DONE
  const answer = { choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }] }
  const line = (content: string, done = false): string => `${JSON.stringify({ message: { content }, done, done_reason: done ? 'stop' : undefined })}\n`
  const cases: Array<[stream: Stream, body: string]> = [
    [streamChatCompletions, events],
    [streamChatCompletions, `\uFEFF${events}`],
    [streamChatCompletions, `\n\r\n: hello\n\n${events}`],
    [streamChatCompletions, `retry: 5\n${events}`],
    [streamChatCompletions, `id: 1\nevent: message\n${events}`],
    [streamChatCompletions, events.replaceAll('data: ', 'data:').trimEnd()],
    [streamChatCompletions, JSON.stringify(answer)],
    [streamChatCompletions, `\uFEFF\n\n ${JSON.stringify(answer, undefined, 2)}\n`],
    [streamOllamaChat, line('H') + line('i', true)],
    [streamOllamaChat, `\n\n${line('Hi')}${line('', true)}`],
    [streamOllamaChat, line('Hi', true).trimEnd().replace('{', '{ ')],
    [streamOllamaChat, JSON.stringify(JSON.parse(line('Hi', true)), undefined, 2)],
    [streamOllamaChat, sseEvent(line('H')) + sseEvent(line('i', true))]
  ]
  for (const [stream, body] of cases) {
    for (const [type, chunkSize] of [...TYPES.map(type => [type, Infinity] as const), [undefined, 1] as const]) {
      const { text, deltas, error } = await respondAs(stream, type, body, chunkSize)
      t.match([text, deltas.at(-1), error], ['Hi', { type: 'finish', reason: 'stop' }, undefined], `${type} by ${chunkSize}: ${body}`)
    }
  }
})

t.test('a body that is neither an event stream nor JSON is refused', async t => {
  for (const body of ['<html><body>Welcome', 'Internal Server Error', 'dataset', 'e', '5', '"text"']) {
    for (const type of [undefined, 'text/plain', 'application/json']) {
      for (const chunkSize of [1, Infinity]) t.match(await respondAs(streamChatCompletions, type, body, chunkSize), { deltas: [], error: { code: 'bad_content_type' } }, `${type}: ${body}`)
    }
  }
  t.match(await respondAs(streamChatCompletions, 'text/event-stream', ' <!doctype html>'), { error: { code: 'bad_content_type' } }, 'a page that calls itself an event stream')
  t.match(await respondAs(streamChatCompletions, 'text/event-stream', 'Internal Server Error'), { error: { code: 'truncated' } })
  t.match(await respondAs(streamOllamaChat, 'application/x-ndjson', 'Internal Server Error'), { error: { code: 'bad_chunk' } })
  for (const type of TYPES) t.match(await respondAs(streamChatCompletions, type, '\n'), { error: { code: 'truncated' } }, `an empty body, ${type}`)
  for (const body of ['{', '{  ', `{${' '.repeat(20)}`]) t.match(await respondAs(streamChatCompletions, undefined, body), { error: { code: 'bad_chunk' } }, body)
})

t.test('an error as plain JSON has its class, whatever the Content-Type', async t => {
  for (const type of TYPES) {
    for (const stream of [streamChatCompletions, streamResponses, streamMessages, streamOllamaChat] as Stream[]) {
      t.match(await respondAs(stream, type, '{"error":{"code":429,"message":"slow"}}'), { deltas: [], error: { code: 'upstream_rate_limit' } }, String(type))
    }
  }
})

t.test('an error as plain JSON after events ends the answer', async t => {
  const events = chatChunk({ content: 'Hi' })
  for (const error of ['{"error":{"code":429}}', '\n{"detail": "Too many requests"}\n', '[{"error":{"status":"RESOURCE_EXHAUSTED"}}]']) {
    t.match(await respondAs(streamChatCompletions, 'text/event-stream', events + error), { text: 'Hi', error: { code: 'upstream_rate_limit' } }, error)
  }
  t.match(await respondAs(streamChatCompletions, 'text/event-stream', `${events}{"x":1}\n{"x"\n${chatChunk({}, 'stop')}${DONE}{"error":"late"}\n`), { text: 'Hi', error: undefined })
})

t.test('keepalive events are ignored in every protocol', async t => {
  const signs = ['data: null\n\n', 'data:  \n\n', 'data: [PING]\n\n', 'data: ping\n\n', 'data: [KEEPALIVE]\n\n', 'event: ping\ndata: {"time\n\n', 'event: heartbeat\ndata: 12:00\n\n', 'event: keepalive\ndata:\n\n'].join('')
  const hi = chatChunk({ content: 'Hi' }, 'stop')
  t.match(await respondAs(streamChatCompletions, 'text/event-stream', signs + hi + signs + DONE), { text: 'Hi', error: undefined })
  t.match(await respondAs(streamResponses, 'text/event-stream', signs + sseEvent({ type: 'response.output_text.delta', delta: 'Hi' }) + sseEvent({ type: 'response.completed', response: {} })), { text: 'Hi', error: undefined })
  t.match(await respondAs(streamMessages, 'text/event-stream', signs + sseEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }) + sseEvent({ type: 'message_stop' })), { text: 'Hi', error: undefined })
  t.match(await respondAs(streamOllamaChat, 'application/x-ndjson', 'null\n \n{"message":{"content":"Hi"},"done":false}\nnull\n{"done":true,"done_reason":"stop"}\n'), { text: 'Hi', error: undefined })
  for (const broken of ['data: {"choices\n\n', 'data: pin\n\n', 'event: other\ndata: x\n\n']) t.match(await respondAs(streamChatCompletions, 'text/event-stream', broken + hi), { error: { code: 'bad_chunk' } }, broken)
})

t.test('an event stream is read wherever it is split', async t => {
  const text = `\uFEFF: hello\n\n${chatChunk({ content: 'größer ' })}${chatChunk({ content: '你😀' }).replaceAll('\n', '\r\n')}${chatChunk({ content: '!' }, 'stop').replaceAll('\n', '\r')}${DONE}`
  const inOneChunk = await request(t, streamChatCompletions, request => { request.stream(text).end() })
  t.match(inOneChunk, { text: 'größer 你😀!', error: undefined })
  const byteByByte = await request(t, streamChatCompletions, async request => {
    request.writeHead()
    for (const byte of Buffer.from(text)) {
      await request.write(httpChunk(Uint8Array.of(byte)))
      await new Promise(resolve => { setImmediate(resolve) })
    }
    request.end()
  })
  t.strictSame(byteByByte, inOneChunk)
})

t.test('NDJSON is read wherever it is split', async t => {
  const text = `${JSON.stringify({ message: { content: 'größer ' }, done: false })}\n\n${JSON.stringify({ message: { content: '😀' }, done: false })}\r\n${JSON.stringify({ done: true, done_reason: 'stop' })}`
  for (const chunks of [[text], Array.from(Buffer.from(text), byte => Uint8Array.of(byte))]) {
    const result = await request(t, streamOllamaChat, async request => {
      request.writeHead(200, NDJSON_TYPE)
      for (const chunk of chunks) await request.write(httpChunk(chunk))
      request.end()
    })
    t.match(result, { text: 'größer 😀', error: undefined })
  }
})

t.test('a JSON response is read as a whole answer, in every protocol', async t => {
  const respondJson = async (stream: Stream, body: unknown): Collected => await request(t, stream, request => { request.respond(200, JSON_TYPE, typeof body === 'string' ? body : JSON.stringify(body)) })
  const expected = { text: 'Hi', deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined }
  t.strictSame((await respondJson(streamChatCompletions, { choices: [{ message: { content: 'größer 😀' }, finish_reason: 'stop' }] })).deltas, [{ type: 'text', text: 'größer 😀' }, { type: 'finish', reason: 'stop', usage: undefined }])
  t.match(await respondJson(streamResponses, { status: 'completed', output: [{ type: 'message', content: [{ type: 'output_text', text: 'Hi' }] }] }), expected)
  t.match(await respondJson(streamMessages, { content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn' }), expected)
  t.match(await respondJson(streamOllamaChat, { message: { content: 'Hi' }, done: true, done_reason: 'stop' }), expected)
})

t.test('a JSON response can be an error, malformed, too large or incomplete', async t => {
  const respondJson = async (stream: Stream, body: unknown): Collected => await request(t, stream, request => { request.respond(200, JSON_TYPE, typeof body === 'string' ? body : JSON.stringify(body)) })
  t.match(await respondJson(streamChatCompletions, { error: { message: 'no', code: 500 } }), { deltas: [], error: { code: 'upstream_failed' } })
  for (const stream of [streamResponses, streamMessages, streamOllamaChat] as Stream[]) t.match(await respondJson(stream, { error: { type: 'rate_limit_error' } }), { deltas: [], error: { code: 'upstream_rate_limit' } })
  t.match(await respondJson(streamChatCompletions, '{"choices":'), { deltas: [], error: { code: 'bad_chunk' } })
  t.match(await respondJson(streamChatCompletions, `{"choices":"${'x'.repeat(1_048_576)}"}`), { error: { code: 'too_large' } })
  t.match(await respondJson(streamOllamaChat, { message: { content: 'Hi' }, done: false }), { text: 'Hi', error: { code: 'truncated' } })
  t.match(await respondJson(streamResponses, { status: 'in_progress', output: [] }), { deltas: [], error: { code: 'truncated' } })
})

t.test('an error in the stream ends the answer, even if an end follows', async t => {
  const stream = async (...texts: string[]): Collected => await request(t, streamChatCompletions, request => { request.stream(chatChunk({ content: 'Hi' }), ...texts).end() })
  t.match(await stream(sseEvent({ error: { message: 'boom', type: 'InternalServerError', code: 500 } }), DONE), { text: 'Hi', deltas: { length: 1 }, error: { code: 'upstream_failed', retryable: true, upstreamStatus: undefined } })
  t.match(await stream('event: error\ndata: {"type":"error","code":"rate_limit_exceeded","message":"slow"}\n\n'), { error: { code: 'upstream_rate_limit' } }, 'an event of type error')
  t.match(await stream('event: error\ndata: not JSON\n\n'), { error: { code: 'upstream_failed' } })
  t.match(await stream('error: {"code":400,"message":"the request exceeds the available context size","type":"invalid_request_error"}\n\n'), { error: { code: 'prompt_too_long' } }, 'the field error of old llama.cpp versions')
  t.match(await stream(chatChunk({}, 'stop'), sseEvent({ error: 'boom' })), { deltas: { length: 1 }, error: { code: 'upstream_failed' } }, 'after the finish reason')
  t.match(await request(t, streamOllamaChat, request => { request.respond(200, NDJSON_TYPE, '{"error":"boom"}\n') }), { error: { code: 'upstream_failed' } })
})

t.test('an error in the stream of a protocol with typed events ends the answer', async t => {
  const stream = async (protocol: Stream, text: string): Collected => await request(t, protocol, request => { request.stream(text).end() })
  const hi = sseEvent({ type: 'response.output_text.delta', delta: 'Hi' })
  t.match(await stream(streamResponses, `${hi}event: error\ndata: {"type":"error","code":"server_error","message":"boom","param":null}\n\n`), { text: 'Hi', error: { code: 'upstream_failed', retryable: true } })
  t.match(await stream(streamResponses, hi + sseEvent({ type: 'response.failed', response: { status: 'failed', error: { code: 'rate_limit_exceeded', message: 'slow' } } }) + DONE), { text: 'Hi', error: { code: 'upstream_rate_limit' } })
  t.match(await stream(streamResponses, hi + sseEvent({ error: { message: 'no', code: '400' } }) + DONE), { text: 'Hi', error: { code: 'upstream_rejected', retryable: false } }, 'without a type')
  t.match(await stream(streamResponses, hi + DONE), { text: 'Hi', error: { code: 'truncated' } }, '[DONE] is not an end of this protocol')
  t.match(await stream(streamMessages, `${sseEvent({ type: 'message_start', message: {} })}event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n`), { error: { code: 'upstream_overloaded' } })
  const stopped = sseEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }) + sseEvent({ type: 'message_delta', delta: { stop_reason: 'end_turn' } })
  t.match(await stream(streamMessages, stopped + sseEvent({ error: { type: 'overloaded_error' } })), { text: 'Hi', deltas: { length: 1 }, error: { code: 'upstream_overloaded' } })
  t.match(await stream(streamMessages, stopped), { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined })
})
