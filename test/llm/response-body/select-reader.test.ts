import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { streamChatCompletions, streamMessages, streamOllamaChat, streamResponses, type ModelDeltas, type ModelOptions } from '../../../plugin/llm/index.ts'
import { chatChunk, collect, DONE, httpChunk, sseEvent, startUpstream, type ReceivedRequest } from '../../fixtures/upstream.ts'

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
