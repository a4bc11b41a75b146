import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { Agent } from 'undici'
import { streamChatCompletions, streamMessages, streamOllamaChat, streamResponses } from '../../plugin/llm/index.ts'
import { ByHand, chat, collect, DONE, sse, upstream, type Asked } from '../fixtures/upstream.ts'

const BODY = { model: 'm', max_tokens: 10, messages: [] }
const HI = chat({ content: 'Hi' }, 'stop') + DONE

/** Fails so often, with what comes in turn, and then says hi. */
function failing (...failures: Array<(asked: Asked) => void>): (asked: Asked, number: number) => void {
  return (asked, number) => {
    const fail = failures[number - 1]
    if (fail !== undefined) fail(asked)
    else asked.stream(HI).end()
  }
}

const refuse = (status: number, headers: Record<string, string> = {}): ((asked: Asked) => void) => asked => { asked.answer(status, { 'retry-after-ms': '1', ...headers }, '{}') }

t.test('a model is asked in its own way', async t => {
  const { baseURL, asked } = await upstream(t, asked => { asked.answer(404, {}, '') })
  const ask = async (stream: typeof streamChatCompletions, options: object = {}): Promise<Asked> => {
    await collect(stream(BODY, { baseURL, ...options }))
    return asked.at(-1)!
  }
  t.match(await ask(streamChatCompletions, { apiKey: 'k' }), {
    line: 'POST /v1/chat/completions HTTP/1.1',
    headers: { accept: 'text/event-stream', 'content-type': 'application/json', authorization: 'Bearer k' },
    body: { model: 'm', stream: true, stream_options: { include_usage: true } }
  })
  t.match(await ask(streamResponses as typeof streamChatCompletions, { apiKey: 'k' }), { line: 'POST /v1/responses HTTP/1.1', headers: { authorization: 'Bearer k' }, body: { stream: true } })
  t.match(await ask(streamMessages as typeof streamChatCompletions, { apiKey: 'k' }), { line: 'POST /v1/messages HTTP/1.1', headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01', authorization: undefined }, body: { stream: true } })
  t.match(await ask(streamOllamaChat as typeof streamChatCompletions), { line: 'POST /v1/api/chat HTTP/1.1', headers: { accept: 'application/x-ndjson', authorization: undefined }, body: { stream: true } })
})

t.test('the address may have a slash at its end, a query, and a user', async t => {
  const { baseURL, asked } = await upstream(t, asked => { asked.answer(404, {}, '') })
  const ask = async (url: string | URL, options: object = {}): Promise<Asked> => {
    await collect(streamChatCompletions(BODY, { baseURL: url, ...options }))
    return asked.at(-1)!
  }
  t.equal((await ask(`${baseURL}/`)).line, 'POST /v1/chat/completions HTTP/1.1')
  t.equal((await ask(new URL(baseURL).origin)).line, 'POST /chat/completions HTTP/1.1')
  t.equal((await ask(new URL(`${baseURL}?api-version=1`))).line, 'POST /v1/chat/completions?api-version=1 HTTP/1.1')
  const withUser = baseURL.replace('//', '//us%20er:p%40ss@')
  t.equal((await ask(withUser)).headers['authorization'], `Basic ${Buffer.from('us er:p@ss').toString('base64')}`)
  t.equal((await ask(withUser, { apiKey: 'k' })).headers['authorization'], 'Bearer k')
})

t.test('headers may be added, and be others', async t => {
  const { baseURL, asked } = await upstream(t, asked => { asked.answer(404, {}, '') })
  await collect(streamMessages(BODY, { baseURL, apiKey: 'k', headers: { 'X-One': '1', 'Anthropic-Version': '2030-01-01', 'x-api-key': 'mine' } }))
  t.match(asked[0]!.headers, { 'x-one': '1', 'anthropic-version': '2030-01-01', 'x-api-key': 'mine' })
})

t.test('a body is sent as it was when it was given', async t => {
  const { baseURL, asked } = await upstream(t, asked => { asked.stream(HI).end() })
  const body = { model: 'before', messages: [] }
  const deltas = streamChatCompletions(body, { baseURL })
  body.model = 'after'
  t.equal(asked.length, 0, 'and not before it is asked for')
  await collect(deltas)
  t.match(asked, [{ body: { model: 'before' } }])
})

t.test('what may pass is asked again', async t => {
  const cut = (asked: Asked): void => { asked.head().chunk(': hello\n\n').socket.destroySoon() }
  const passing: Record<string, (asked: Asked) => void> = {
    408: refuse(408),
    409: refuse(409),
    429: refuse(429),
    500: refuse(500),
    503: refuse(503),
    529: refuse(529),
    'x-should-retry': refuse(400, { 'x-should-retry': 'true' }),
    'retry-after': refuse(429, { 'retry-after-ms': '', 'retry-after': '0' }),
    'a date that has passed': refuse(429, { 'retry-after-ms': '', 'retry-after': new Date(0).toUTCString() }),
    'a connection that was cut before the response': asked => { asked.socket.destroy() },
    'or after': cut,
    'a stream without anything': asked => { asked.stream().end() },
    'an error in the stream': asked => { asked.stream(chat({ role: 'assistant', content: '' }), sse({ error: { type: 'overloaded_error' } })).end() }
  }
  for (const [name, fail] of Object.entries(passing)) {
    const { baseURL, asked } = await upstream(t, failing(fail, fail))
    t.match(await collect(streamChatCompletions(BODY, { baseURL, maxRetryDelay: 1 })), { text: 'Hi', deltas: { length: 2 }, error: undefined }, name)
    t.equal(asked.length, 3)
    t.strictSame(asked[2]!.body, asked[0]!.body)
  }
})

t.test('it is asked so often, and no more', async t => {
  for (const retries of [0, 1, 3]) {
    const { baseURL, asked } = await upstream(t, refuse(500))
    t.match(await collect(streamChatCompletions(BODY, { baseURL, retries })), { error: { code: 'upstream_error', upstreamStatus: 500 } })
    t.equal(asked.length, retries + 1)
  }
})

t.test('what will not pass is not asked again', async t => {
  const lasting: Array<(asked: Asked) => void> = [
    ...[400, 401, 402, 403, 404, 413, 422].map(status => refuse(status)),
    refuse(500, { 'x-should-retry': 'false' }),
    asked => { asked.answer(429, { 'retry-after-ms': '1' }, '{"error":{"code":"insufficient_quota"}}') },
    asked => { asked.stream('data: {\n\n').end() }
  ]
  for (const fail of lasting) {
    const { baseURL, asked } = await upstream(t, failing(fail))
    t.match(await collect(streamChatCompletions(BODY, { baseURL })), { error: { name: 'ModelError', retryable: false } })
    t.equal(asked.length, 1)
  }
})

t.test('a model that wants to be left alone for longer is', async t => {
  const { baseURL, asked } = await upstream(t, refuse(429, { 'retry-after-ms': '', 'retry-after': '6' }))
  t.match(await collect(streamChatCompletions(BODY, { baseURL })), { error: { code: 'upstream_rate_limit', retryable: true, retryAfter: 6_000, headers: { 'retry-after': '6' } } })
  t.equal(asked.length, 1)
})

t.test('once there was a delta, nothing is asked again', async t => {
  const begun = [
    chat({ content: 'Hi' }),
    chat({ reasoning_content: 'hm' }),
    chat({ tool_calls: [{ index: 0, id: 'a', function: { name: 'add', arguments: '' } }] })
  ]
  for (const delta of begun) {
    for (const fail of [(asked: Asked) => { asked.stream(delta).socket.end() }, (asked: Asked) => { asked.stream(delta, sse({ error: { type: 'overloaded_error' } })).end() }, (asked: Asked) => { asked.stream(delta).end() }]) {
      const { baseURL, asked } = await upstream(t, failing(fail))
      t.match(await collect(streamChatCompletions(BODY, { baseURL })), { deltas: { length: 1 }, error: { retryable: true } })
      t.equal(asked.length, 1)
    }
  }
})

t.test('a model that cannot be reached is tried once more', async t => {
  let tried = 0
  const dispatcher = new Agent({
    connect: (_options, callback) => {
      tried++
      callback(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), null)
    }
  })
  t.teardown(() => dispatcher.destroy())
  for (const [retries, expected] of [[5, 2], [0, 1]] as const) {
    tried = 0
    t.match(await collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher, retries, maxRetryDelay: 1 })), { error: { code: 'upstream_unreachable' } })
    t.equal(tried, expected)
  }
})

t.test('who leaves while it waits to ask again is not asked for', async t => {
  const gone = new Error('gone')
  for (const leave of ['abort', 'return']) {
    const byHand = new ByHand()
    const controller = new AbortController()
    const deltas = streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher: byHand.dispatcher, maxRetryDelay: 3_600_000, signal: controller.signal })
    const waiting = deltas.next()
    byHand.head(500, { 'retry-after': '3600' })
    byHand.end()
    await nextTurn()
    if (leave === 'abort') {
      controller.abort(gone)
      await t.rejects(waiting, gone)
    } else {
      await deltas.return()
      t.strictSame(await waiting, { done: true, value: undefined })
    }
    await nextTurn()
    t.equal(byHand.asked, 1, 'and this test ends, because no timer is left')
  }
})
