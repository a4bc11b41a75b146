import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { streamResponses, type ModelDelta, type ResponsesOptions } from '../../plugin/llm/index.ts'
import { eventually } from '../fixtures/eventually.ts'
import { collect, ManualUpstream, startUpstream, type ReceivedRequest, type Upstream } from '../fixtures/upstream.ts'

const BODY = { model: 'gpt-5', input: 'Hi', background: true }
const CALL = { type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'add', arguments: '' }
const OUTPUT = [
  { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Well.' }] },
  { type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'output_text', text: 'Größe 😀 it is.' }] },
  { ...CALL, arguments: '{"a":1}' }
]
const USAGE = { input_tokens: 3, output_tokens: 5, total_tokens: 8 }

/** The events of an answer in the order of their sequence numbers, which begin at 0. */
const EVENTS = [
  { type: 'response.created', response: { id: 'resp_1', status: 'queued', background: true } },
  { type: 'response.in_progress', response: { id: 'resp_1', status: 'in_progress' } },
  { type: 'response.output_item.added', output_index: 0, item: { type: 'reasoning', id: 'rs_1', summary: [] } },
  { type: 'response.reasoning_summary_text.delta', item_id: 'rs_1', output_index: 0, summary_index: 0, delta: 'Well.' },
  { type: 'response.reasoning_summary_text.done', item_id: 'rs_1', output_index: 0, summary_index: 0, text: 'Well.' },
  { type: 'response.output_item.done', output_index: 0, item: OUTPUT[0] },
  { type: 'response.output_item.added', output_index: 1, item: { type: 'message', id: 'msg_1', role: 'assistant', content: [] } },
  { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 1, content_index: 0, delta: 'Größe 😀' },
  { type: 'response.output_text.delta', item_id: 'msg_1', output_index: 1, content_index: 0, delta: ' it is.' },
  { type: 'response.output_text.done', item_id: 'msg_1', output_index: 1, content_index: 0, text: 'Größe 😀 it is.' },
  { type: 'response.output_item.done', output_index: 1, item: OUTPUT[1] },
  { type: 'response.output_item.added', output_index: 2, item: CALL },
  { type: 'response.function_call_arguments.delta', item_id: 'fc_1', output_index: 2, delta: '{"a"' },
  { type: 'response.function_call_arguments.delta', item_id: 'fc_1', output_index: 2, delta: ':1}' },
  { type: 'response.function_call_arguments.done', item_id: 'fc_1', output_index: 2, arguments: '{"a":1}' },
  { type: 'response.output_item.done', output_index: 2, item: OUTPUT[2] },
  { type: 'response.completed', response: { id: 'resp_1', status: 'completed', output: OUTPUT, usage: USAGE } }
].map((event, number) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: number })}\n\n`)

const DELTAS: ModelDelta[] = [
  { type: 'reasoning', text: 'Well.' },
  { type: 'text', text: 'Größe 😀' },
  { type: 'text', text: ' it is.' },
  { type: 'tool-call', index: 0, id: 'call_1', name: 'add', arguments: '' },
  { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: '{"a"' },
  { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: ':1}' },
  { type: 'finish', reason: 'tool-calls', usage: { inputTokens: 3, outputTokens: 5, totalTokens: 8 } }
]

type Respond = (request: ReceivedRequest, events: string[]) => void

/** Answers each request with the next function, and all further ones with the last. `events` are the requested ones. */
async function respondInTurn (t: Test, ...responds: Respond[]): Promise<Upstream> {
  return await startUpstream(t, (request, number) => {
    const after = /starting_after=(\d+)/.exec(request.requestLine)?.[1]
    responds[Math.min(number, responds.length) - 1]!(request, EVENTS.slice(after === undefined ? 0 : Number(after) + 1))
  })
}

const all: Respond = (request, events) => { request.stream(...events).end() }
const none: Respond = request => { request.stream().end() }
/** Writes a part of the events, and then loses the connection. */
const part = (count: number, half = ''): Respond => (request, events) => { request.stream(events.slice(0, count).join('') + half).socket.destroySoon() }
/** Writes a part of the events, and then ends the response. */
const ended = (count: number, half = ''): Respond => (request, events) => { request.stream(events.slice(0, count).join('') + half).end() }

const requestLines = ({ requests }: Upstream): string[] => requests.map(({ requestLine }) => requestLine.replace(' HTTP/1.1', ''))

async function answer ({ baseURL }: Upstream, options: Partial<ResponsesOptions> = {}): ReturnType<typeof collect> {
  return await collect(streamResponses(BODY, { baseURL, apiKey: 'k', resume: true, maxRetryDelay: 1, ...options }))
}

t.test('an answer that is cut after any event continues where it was cut', async t => {
  for (let count = 1; count < EVENTS.length; count++) {
    for (const half of ['', EVENTS[count]!.slice(0, -2), EVENTS[count]!.slice(0, 60)]) {
      for (const cut of [part, ended]) {
        const upstream = await respondInTurn(t, cut(count, half), all)
        const { deltas, error } = await answer(upstream)
        t.strictSame({ deltas, error }, { deltas: DELTAS, error: undefined }, `${cut.name} after ${count} events, ${half}`)
        const { requests } = upstream
        if (requests.length > 1) t.match(requests[1], { requestLine: new RegExp(`^GET /v1/responses/resp_1\\?stream=true&starting_after=(${count - 1}|${count}) `), headers: { authorization: 'Bearer k', 'content-type': undefined } })
      }
    }
  }
})

/** The same answer from a server that sends every text and all arguments only as a whole. */
const WHOLE_EVENTS = EVENTS.filter(event => !event.includes('.delta"'))

t.test('final values before and after a cut are read once', async t => {
  const whole = (after: number): string[] => WHOLE_EVENTS.filter(event => Number(/"sequence_number":(\d+)/.exec(event)![1]) > after)
  const texts = DELTAS.filter(({ type }) => type !== 'tool-call' && type !== 'text')
  for (let count = 1; count < WHOLE_EVENTS.length; count++) {
    const { baseURL } = await startUpstream(t, request => {
      const after = /starting_after=(\d+)/.exec(request.requestLine)?.[1]
      if (after === undefined) request.stream(...WHOLE_EVENTS.slice(0, count)).socket.destroySoon()
      else request.stream(...whole(Number(after))).end()
    })
    const { deltas, text, error } = await collect(streamResponses(BODY, { baseURL, resume: true, maxRetryDelay: 1 }))
    t.strictSame({ text, error }, { text: 'Größe 😀 it is.', error: undefined }, `after ${count} events`)
    t.match(deltas.filter(({ type }) => type !== 'tool-call' && type !== 'text'), texts)
    t.equal(deltas.map(delta => delta.type === 'tool-call' ? delta.arguments : '').join(''), '{"a":1}')
  }
})

t.test('a server that resumes with the whole response adds only what was not received', async t => {
  for (let count = 1; count < EVENTS.length; count++) {
    const upstream = await respondInTurn(t, part(count), request => {
      request.respond(200, { 'content-type': 'application/json' }, JSON.stringify({ id: 'resp_1', status: 'completed', output: OUTPUT, usage: USAGE }))
    })
    const { deltas, text, error } = await answer(upstream)
    t.strictSame({ text, error }, { text: 'Größe 😀 it is.', error: undefined }, `after ${count} events`)
    t.equal(deltas.map(delta => delta.type === 'reasoning' ? delta.text : '').join(''), 'Well.')
    t.equal(deltas.map(delta => delta.type === 'tool-call' ? delta.arguments : '').join(''), '{"a":1}')
    t.strictSame(deltas.at(-1), DELTAS.at(-1))
    t.equal(upstream.requests.length, 2)
  }
})

t.test('a whole response that is still in progress is requested again', async t => {
  const upstream = await respondInTurn(t, part(9), request => {
    request.respond(200, { 'content-type': 'application/json' }, JSON.stringify({ id: 'resp_1', status: 'in_progress', output: [] }))
  }, all)
  t.strictSame((await answer(upstream)).deltas, DELTAS)
})

t.test('an answer that is cut after every event continues each time', async t => {
  const upstream = await respondInTurn(t, part(1))
  t.strictSame(await answer(upstream, { retries: 1 }), { deltas: DELTAS, text: 'Größe 😀 it is.', error: undefined })
  t.equal(upstream.requests.length, EVENTS.length)
})

t.test('events that the server sends again are ignored', async t => {
  for (const from of [0, 5, 8]) {
    const upstream = await respondInTurn(t, part(9), request => { request.stream(...EVENTS.slice(from)).end() })
    t.strictSame((await answer(upstream)).deltas, DELTAS)
  }
  const upstream = await respondInTurn(t, request => { request.stream(...EVENTS.flatMap(event => [event, event, EVENTS[0]!])).end() })
  t.strictSame((await answer(upstream)).deltas, DELTAS)
})

t.test('a resume that fails is tried again', async t => {
  const failures: Record<string, Respond> = {
    'a cut': request => { request.socket.destroy() },
    'an empty stream': none,
    'a status': request => { request.respond(503, { 'retry-after-ms': '1' }, '') },
    'a rate limit': request => { request.respond(429, { 'retry-after': '0' }, '') }
  }
  for (const [name, fail] of Object.entries(failures)) {
    const upstream = await respondInTurn(t, part(9), fail, fail, all)
    t.strictSame((await answer(upstream, { retries: 3 })).deltas, DELTAS, name)
    t.equal(upstream.requests.length, 4)
  }
})

t.test('if an answer cannot be resumed, the original error follows what was received, and the response is cancelled', async t => {
  const failures: Record<string, [fail: Respond, requests: number]> = {
    'an unknown response': [request => { request.respond(404, {}, '') }, 1],
    'a delay that is too long': [request => { request.respond(503, { 'retry-after': '7' }, '') }, 1],
    'no event in any resume': [none, 2],
    'a page': [request => { request.respond(200, { 'content-type': 'text/html' }, '<p>') }, 1]
  }
  for (const [name, [fail, count]] of Object.entries(failures)) {
    const upstream = await respondInTurn(t, part(8), fail)
    const cancelled = upstream.requestNumber(count + 2)
    t.match(await answer(upstream), { deltas: DELTAS.slice(0, 2), text: 'Größe 😀', error: { name: 'ModelError', code: 'upstream_cut' } }, name)
    await cancelled
    t.strictSame(requestLines(upstream), ['POST /v1/responses', ...Array(count).fill('GET /v1/responses/resp_1?stream=true&starting_after=7'), 'POST /v1/responses/resp_1/cancel'], name)
  }
})

t.test('a response that was not created is requested again, as without the option', async t => {
  const upstream = await respondInTurn(t, none, request => { request.respond(500, { 'retry-after-ms': '1' }, '') }, all)
  t.strictSame((await answer(upstream)).deltas, DELTAS)
  t.strictSame(requestLines(upstream), Array(3).fill('POST /v1/responses'))
  const failing = await respondInTurn(t, none, request => { request.respond(400, {}, '') })
  t.match(await answer(failing), { deltas: [], error: { code: 'upstream_rejected' } })
  t.equal(failing.requests.length, 2)
})

t.test('an answer without an id is not requested again after its first delta', async t => {
  for (const number of ['$&', '']) {
    const upstream = await respondInTurn(t, (request, events) => {
      request.stream(...events.slice(0, 8).map(event => event.replaceAll('"id":"resp_1",', '').replace(/,"sequence_number":\d+/, number))).socket.destroySoon()
    })
    t.match(await answer(upstream), { deltas: DELTAS.slice(0, 2), text: 'Größe 😀', error: { code: 'upstream_cut' } })
    t.equal(upstream.requests.length, 1)
  }
})

t.test('a request that fails before the response is created has no effect on the next one', async t => {
  const failure = 'data: {"type":"error","code":"server_error","message":"x","sequence_number":8}\n\n'
  const upstream = await respondInTurn(t, request => { request.stream(failure).end() }, part(5), all)
  t.strictSame((await answer(upstream)).deltas, DELTAS)
  t.strictSame(requestLines(upstream), ['POST /v1/responses', 'POST /v1/responses', 'GET /v1/responses/resp_1?stream=true&starting_after=4'])
})

t.test('an answer that the model ends with a failure is neither resumed nor cancelled', async t => {
  const failures = [
    { type: 'response.failed', response: { id: 'resp_1', status: 'failed', error: { code: 'server_error', message: 'x' } } },
    { type: 'error', code: 'server_error', message: 'x' },
    { type: 'response.error', code: 'server_error', message: 'x' }
  ]
  for (const failure of failures) {
    const upstream = await respondInTurn(t, request => { request.stream(...EVENTS.slice(0, 8), `data: ${JSON.stringify({ ...failure, sequence_number: 8 })}\n\n`).end() })
    t.match(await answer(upstream), { deltas: DELTAS.slice(0, 2), error: { code: 'upstream_failed' } })
    t.equal(upstream.requests.length, 1)
  }
})

t.test('an answer whose events have no sequence numbers is not resumed', async t => {
  const upstream = await respondInTurn(t, (request, events) => { request.stream(...events.slice(0, 8).map(event => event.replace(/,"sequence_number":\d+/, ''))).socket.destroySoon() })
  const cancelled = upstream.requestNumber(2)
  t.match(await answer(upstream), { deltas: DELTAS.slice(0, 2), error: { code: 'upstream_cut' } })
  await cancelled
  t.strictSame(requestLines(upstream), ['POST /v1/responses', 'POST /v1/responses/resp_1/cancel'])
})

t.test('a resumed response is not paused before its first delta, and then until a delta is requested', async t => {
  const upstream = new ManualUpstream()
  const deltas = streamResponses(BODY, { baseURL: 'http://models.example', dispatcher: upstream.dispatcher, resume: true, maxRetryDelay: 1 })
  const first = deltas.next()
  upstream.writeHead(200, { 'content-type': 'text/event-stream' })
  upstream.write(EVENTS.slice(0, 8).join(''))
  t.match(await first, { value: DELTAS[0] })
  upstream.end()
  await eventually(() => { assert.equal(upstream.requestCount, 2) })
  upstream.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let times = 0; times < 70; times++) upstream.write(`: ${'x'.repeat(1_000)}\n\n`)
  t.equal(upstream.paused, false)
  upstream.write(EVENTS.slice(8, 10).join(''))
  for (let times = 0; times < 70; times++) upstream.write(`: ${'x'.repeat(1_000)}\n\n`)
  t.equal(upstream.paused, true)
  t.match([await deltas.next(), await deltas.next()], [{ value: DELTAS[1] }, { value: DELTAS[2] }])
  deltas.next()
  t.equal(upstream.paused, false)
  await deltas.return()
})

t.test('an answer that times out is resumed', async t => {
  const upstream = await respondInTurn(t, (request, events) => { request.stream(...events.slice(0, 9)) }, all)
  t.strictSame((await answer(upstream, { idleTimeout: 20, firstTokenTimeout: 20, retries: 100 })).deltas, DELTAS)
})

t.test('the query of the base URL is kept, and an id is encoded', async t => {
  const upstream = await respondInTurn(t, (request, events) => { request.stream(...events.slice(0, 9).map(event => event.replaceAll('resp_1', '../a?'))).socket.destroySoon() }, all)
  await answer({ ...upstream, baseURL: `${upstream.baseURL}?api-version=1` })
  t.strictSame(requestLines(upstream), ['POST /v1/responses?api-version=1', 'GET /v1/responses/..%2Fa%3F?api-version=1&stream=true&starting_after=8'])
})

t.test('a consumer that ends early cancels the response', async t => {
  const reason = new Error('aborted')
  for (const method of ['return', 'abort'] as const) {
    for (const moment of ['while it is read', 'before it is resumed'] as const) {
      const respond: Respond = moment === 'while it is read' ? (request, events) => { request.stream(...events.slice(0, 8)) } : part(8)
      const upstream = await respondInTurn(t, respond)
      const controller = new AbortController()
      const deltas = streamResponses(BODY, { baseURL: upstream.baseURL, resume: true, maxRetryDelay: 3_600_000, signal: controller.signal })
      await deltas.next()
      await deltas.next()
      const pending = deltas.next()
      if (moment === 'before it is resumed') await upstream.requests[0]!.closed
      const cancelled = upstream.requestNumber(2)
      if (method === 'return') {
        await deltas.return()
        t.strictSame(await pending, { done: true, value: undefined })
      } else {
        controller.abort(reason)
        await t.rejects(pending, reason)
      }
      await cancelled
      t.match(upstream.requests[1], { requestLine: /^POST \/v1\/responses\/resp_1\/cancel / })
    }
  }
})

t.test('a consumer that leaves at the end, or before the response is created, cancels nothing', async t => {
  const whole = await respondInTurn(t, all)
  for await (const { type } of streamResponses(BODY, { baseURL: whole.baseURL, resume: true })) if (type === 'finish') break
  t.equal(whole.requests.length, 1)
  const upstream = new ManualUpstream()
  const deltas = streamResponses(BODY, { baseURL: 'http://models.example', dispatcher: upstream.dispatcher, resume: true })
  const pending = deltas.next()
  await deltas.return()
  t.strictSame(await pending, { done: true, value: undefined })
  t.equal(upstream.requestCount, 1)
})

t.test('a dispatcher that is closed does not fail a cancellation', async t => {
  const upstream = new ManualUpstream()
  const { dispatch } = upstream.dispatcher
  const dispatcher = {
    dispatch: (...args: Parameters<typeof dispatch>) => {
      if (upstream.requestCount === 1) throw new Error('closed')
      return dispatch(...args)
    }
  } as typeof upstream.dispatcher
  const deltas = streamResponses(BODY, { baseURL: 'http://models.example', dispatcher, resume: true })
  const first = deltas.next()
  upstream.writeHead(200, { 'content-type': 'text/event-stream' })
  upstream.write(EVENTS.slice(0, 4).join(''))
  t.match(await first, { value: DELTAS[0] })
  t.strictSame(await deltas.return(), { done: true, value: undefined })
})

t.test('the option requires a body in background mode', t => {
  const baseURL = 'http://models.example'
  t.throws(() => streamResponses({ model: 'm', input: 'Hi' }, { baseURL, resume: true }), { code: 'SSE_ERR_OPTION', message: 'Option `resume` requires a body with `background: true`' })
  t.throws(() => streamResponses(BODY, { baseURL, resume: 1 as unknown as boolean }), { code: 'SSE_ERR_OPTION' })
  t.throws(() => streamResponses(BODY, { resume: true } as ResponsesOptions), { code: 'SSE_ERR_OPTION', message: 'Option `baseURL` is required' })
  t.throws(() => streamResponses(BODY, undefined as unknown as ResponsesOptions), { code: 'SSE_ERR_OPTION' })
  t.end()
})

t.test('without the option, an answer in background mode is not resumed', async t => {
  const upstream = await respondInTurn(t, part(8), all)
  t.match(await answer(upstream, { resume: false }), { deltas: DELTAS.slice(0, 2), error: { code: 'upstream_cut' } })
  t.equal(upstream.requests.length, 1)
})
