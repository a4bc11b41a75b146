import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { Agent } from 'undici'
import { streamChatCompletions } from '../../plugin/llm/index.ts'
import { chatChunk, collect, DONE, ManualUpstream, sseEvent, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

const BODY = { model: 'm', messages: [] }
const ANSWER = chatChunk({ content: 'Hi' }, 'stop') + DONE

type Respond = (request: ReceivedRequest) => void

/** Fails once with each failure in turn, then answers. */
const failingFirst = (...failures: Respond[]) => (request: ReceivedRequest, number: number): void => {
  const fail = failures[number - 1]
  if (fail !== undefined) fail(request)
  else request.stream(ANSWER).end()
}

const respondWith = (status: number, headers: Record<string, string> = {}): Respond => request => { request.respond(status, { 'retry-after-ms': '1', ...headers }, '{}') }

t.test('the request is sent when the first delta is requested, with the body as it was passed', async t => {
  const { baseURL, requests } = await startUpstream(t, request => { request.stream(ANSWER).end() })
  const body = { model: 'before', messages: [] }
  const deltas = streamChatCompletions(body, { baseURL })
  body.model = 'after'
  t.equal(requests.length, 0)
  await collect(deltas)
  t.match(requests, [{ requestLine: 'POST /v1/chat/completions HTTP/1.1', body: { model: 'before' } }])
})

t.test('a failure that may be temporary is retried', async t => {
  const failures: Record<string, Respond> = {
    408: respondWith(408),
    409: respondWith(409),
    429: respondWith(429),
    500: respondWith(500),
    503: respondWith(503),
    529: respondWith(529),
    'x-should-retry': respondWith(400, { 'x-should-retry': 'true' }),
    'Retry-After of 0': respondWith(429, { 'retry-after-ms': '', 'retry-after': '0' }),
    'Retry-After in the past': respondWith(429, { 'retry-after-ms': '', 'retry-after': new Date(0).toUTCString() }),
    'connection lost before the response': request => { request.socket.destroy() },
    'connection lost after the response head': request => { request.writeHead().writeChunk(': hello\n\n').socket.destroySoon() },
    'empty stream': request => { request.stream().end() },
    'error in the stream': request => { request.stream(chatChunk({ role: 'assistant', content: '' }), sseEvent({ error: { type: 'overloaded_error' } })).end() }
  }
  for (const [name, fail] of Object.entries(failures)) {
    const { baseURL, requests } = await startUpstream(t, failingFirst(fail, fail))
    t.match(await collect(streamChatCompletions(BODY, { baseURL, maxRetryDelay: 1 })), { text: 'Hi', deltas: { length: 2 }, error: undefined }, name)
    t.equal(requests.length, 3)
    t.strictSame(requests[2]!.body, requests[0]!.body)
  }
})

t.test('the option retries limits the number of retries', async t => {
  for (const retries of [0, 1, 3]) {
    const { baseURL, requests } = await startUpstream(t, respondWith(500))
    t.match(await collect(streamChatCompletions(BODY, { baseURL, retries })), { error: { code: 'upstream_error', upstreamStatus: 500 } })
    t.equal(requests.length, retries + 1)
  }
})

t.test('a permanent failure is not retried', async t => {
  const failures: Respond[] = [
    ...[400, 401, 402, 403, 404, 413, 422].map(status => respondWith(status)),
    respondWith(500, { 'x-should-retry': 'false' }),
    request => { request.respond(429, { 'retry-after-ms': '1' }, '{"error":{"code":"insufficient_quota"}}') },
    request => { request.stream('data: {\n\n').end() }
  ]
  for (const fail of failures) {
    const { baseURL, requests } = await startUpstream(t, failingFirst(fail))
    t.match(await collect(streamChatCompletions(BODY, { baseURL })), { error: { name: 'ModelError', retryable: false } })
    t.equal(requests.length, 1)
  }
})

t.test('a Retry-After above maxRetryDelay is not awaited', async t => {
  const { baseURL, requests } = await startUpstream(t, respondWith(429, { 'retry-after-ms': '', 'retry-after': '6' }))
  t.match(await collect(streamChatCompletions(BODY, { baseURL })), { error: { code: 'upstream_rate_limit', retryable: true, retryAfter: 6_000, headers: { 'retry-after': '6' } } })
  t.equal(requests.length, 1)
})

t.test('a failure after the first delta is not retried', async t => {
  const firstDeltas = [
    chatChunk({ content: 'Hi' }),
    chatChunk({ reasoning_content: 'hm' }),
    chatChunk({ tool_calls: [{ index: 0, id: 'a', function: { name: 'add', arguments: '' } }] })
  ]
  for (const delta of firstDeltas) {
    const failures: Respond[] = [
      request => { request.stream(delta).socket.end() },
      request => { request.stream(delta, sseEvent({ error: { type: 'overloaded_error' } })).end() },
      request => { request.stream(delta).end() }
    ]
    for (const fail of failures) {
      const { baseURL, requests } = await startUpstream(t, failingFirst(fail))
      t.match(await collect(streamChatCompletions(BODY, { baseURL })), { deltas: { length: 1 }, error: { retryable: true } })
      t.equal(requests.length, 1)
    }
  }
})

t.test('a failed connection is retried at most once', async t => {
  let attempts = 0
  const dispatcher = new Agent({
    connect: (_options, callback) => {
      attempts++
      callback(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), null)
    }
  })
  t.teardown(() => dispatcher.destroy())
  for (const [retries, expected] of [[5, 2], [0, 1]] as const) {
    attempts = 0
    t.match(await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher, retries, maxRetryDelay: 1 })), { error: { code: 'upstream_unreachable' } })
    t.equal(attempts, expected)
  }
})

t.test('cancelling during the delay before a retry sends no further request and leaves no timer', async t => {
  const reason = new Error('aborted')
  for (const method of ['abort', 'return']) {
    const upstream = new ManualUpstream()
    const controller = new AbortController()
    const deltas = streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher: upstream.dispatcher, maxRetryDelay: 3_600_000, signal: controller.signal })
    const pending = deltas.next()
    upstream.writeHead(500, { 'retry-after': '3600' })
    upstream.end()
    await nextTurn()
    if (method === 'abort') {
      controller.abort(reason)
      await t.rejects(pending, reason)
    } else {
      await deltas.return()
      t.strictSame(await pending, { done: true, value: undefined })
    }
    await nextTurn()
    t.equal(upstream.requestCount, 1)
  }
})
