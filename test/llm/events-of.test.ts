import { get, type IncomingMessage } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import * as undici from 'undici'
import { event } from 'fastify-sse-emitter'
import { eventsOf, type EventsOptions, type ResponseLike } from '../../plugin/llm/index.ts'
import { encode } from '../../plugin/wire/event.ts'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { mockClock } from '../fixtures/clock.ts'
import { closedAddress, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

type Respond = (request: ReceivedRequest) => void | Promise<void>
type Request = (url: string) => Promise<ResponseLike>

/** The clients whose responses can be read. */
const CLIENTS: Record<string, Request> = {
  fetch: url => fetch(url),
  'fetch of undici': url => undici.fetch(url),
  'request() of undici': url => undici.request(url),
  'node:http': async url => {
    const body = await new Promise<IncomingMessage>((resolve, reject) => { get(url, { agent: false }, resolve).on('error', reject) })
    return { statusCode: body.statusCode!, headers: body.headers, body }
  }
}

/** Bytes of every kind of line, and the events that a client dispatches for them. */
const STREAM = '\uFEFF: hello\r\nretry: 5\r\ndata: Größe\r\n\r\nevent: delta\ndata:  {"a":1}\ndata\nid: 7\n\nid\0: 8\nid: 8\0\ndata: 😀\rdata:b\r\revent: empty\n\n' +
  'event: message\nid: 9\n\n:ping\n\ndata: c\nfoo: bar\n\nid\ndata: [DONE]\n\n'
const EVENTS = [
  { data: 'Größe', fields: {} },
  { data: ' {"a":1}\n', fields: { event: 'delta', id: '7' } },
  { data: '😀\nb', fields: {} },
  { data: 'c', fields: { id: '9' } },
  { data: '[DONE]', fields: { id: '' } }
]

interface Collected { events: Array<{ data: string, fields: object }>, error: unknown }

async function collect (events: AsyncIterable<{ data: string, fields: object }>): Promise<Collected> {
  const collected: Collected = { events: [], error: undefined }
  try {
    for await (const { data, fields } of events) collected.events.push({ data, fields })
  } catch (error) {
    collected.error = error
  }
  return collected
}

/** Reads the response of an upstream with each client. */
async function readWith (t: Test, respond: Respond, options: EventsOptions = {}, check: (collected: Collected, client: string) => void): Promise<void> {
  for (const [name, request] of Object.entries(CLIENTS)) {
    const { baseURL } = await startUpstream(t, respond)
    check(await collect(eventsOf(await request(baseURL), options)), name)
  }
}

/** A response of bytes, without a server. */
function responseOf (chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>, headers: Record<string, string> = {}): ResponseLike {
  return { statusCode: 200, headers: { 'content-type': 'text/event-stream', ...headers }, body: (async function * () { yield * chunks })() }
}

/** A response whose chunks the test pushes once they are requested. */
function manualResponse (statusCode = 200): { response: ResponseLike, push: (text: string) => void, ended: () => boolean } {
  let push = (_text: string): void => {}
  let isEnded = false
  const chunks: AsyncIterator<string> = {
    next: () => new Promise(resolve => { push = value => { resolve({ done: false, value }) } }),
    return: async () => {
      isEnded = true
      return { done: true, value: undefined }
    }
  }
  const body = { [Symbol.asyncIterator]: () => chunks }
  return { response: { statusCode, headers: { 'content-type': 'text/event-stream' }, body }, push: text => { push(text) }, ended: () => isEnded }
}

t.test('events keep their data, types and ids', async t => {
  await readWith(t, request => { request.stream(STREAM).end() }, {}, (collected, client) => {
    t.strictSame(collected, { events: EVENTS, error: undefined }, client)
  })
})

t.test('events that are split at any byte are complete', async t => {
  const bytes = Buffer.from(STREAM)
  for (let at = 0; at < bytes.length; at++) {
    t.strictSame(await collect(eventsOf(responseOf([bytes.subarray(0, at), bytes.subarray(at)]))), { events: EVENTS, error: undefined })
  }
  t.strictSame((await collect(eventsOf(responseOf(Array.from(bytes, byte => Uint8Array.of(byte)))))).events, EVENTS)
  t.strictSame((await collect(eventsOf(responseOf(['data: text', '\n\n'])))).events, [{ data: 'text', fields: {} }], 'a body of strings')
})

t.test('a client of the relay receives the events that a client of the upstream receives', async t => {
  const own = 'id: 1\ndata: a\n\nid: 1\nevent: x\ndata: b\nretry: 3\n\nid: 2\ndata: c\ndata: d\n\ndata: e\n\n'
  const { events } = await collect(eventsOf(responseOf([own])))
  const relayed = decode(events.map(({ data, fields }) => encode(data, fields, false)).join(''))
  const persistent = (decoded: ReturnType<typeof decode>): unknown => {
    let lastEventId = ''
    return decoded.events.map(({ id, event, data }) => ({ event, data, lastEventId: (lastEventId = id ?? lastEventId) }))
  }
  t.strictSame(persistent(relayed), persistent(decode(own)))
  t.strictSame(relayed.retries, [], 'the upstream\'s reconnection time is not that of the relay')
})

t.test('without ids, events have no ids', async t => {
  const { events } = await collect(eventsOf(responseOf([STREAM]), { ids: false }))
  t.strictSame(events.map(({ fields }) => fields), [{}, { event: 'delta' }, {}, {}, {}])
})

t.test('an id that cannot be sent is left out', async t => {
  const { events } = await collect(eventsOf(responseOf(['id: a\ndata: 1\n\nid: \x01\ndata: 2\n\nid: b\ndata: 3\n\n'])))
  t.strictSame(events.map(({ fields }) => fields), [{ id: 'a' }, {}, { id: 'b' }])
})

t.test('markers of another server that uses this package reject, or are ignored', async t => {
  const before = { events: [{ data: 'a', fields: { id: '1' } }] }
  t.strictSame(await collect(eventsOf(responseOf(['event: sse-ready\nid: 1\ndata: {}\n\ndata: a\n\nevent: sse-heartbeat\nid: 1\ndata\n\n']))), { ...before, error: undefined }, 'are passed over')
  for (const type of ['sse-gap', 'sse-reset']) {
    t.match(await collect(eventsOf(responseOf([`id: 1\ndata: a\n\nevent: ${type}\ndata: {}\n\n`]))), { ...before, error: { name: 'ModelError', code: 'truncated' } }, 'report missing events')
  }
  const failure = { code: 'upstream_rate_limit', message: 'The model is receiving too many requests', retryable: true }
  t.match(await collect(eventsOf(responseOf([`id: 1\ndata: a\n\nevent: sse-error\ndata: ${JSON.stringify(failure)}\n\n`]))), { ...before, error: failure }, 'report a failure')
})

t.test('an error response rejects with the code of its status and body', async t => {
  const long = '{"error":{"code":"context_length_exceeded"}}'
  await readWith(t, request => { request.respond(429, { 'content-type': 'application/json', 'retry-after': '7' }, '{}') }, {}, ({ error }, client) => {
    t.match(error, { name: 'ModelError', code: 'upstream_rate_limit', upstreamStatus: 429, retryAfter: 7_000 }, client)
  })
  await readWith(t, request => { request.respond(400, { 'content-type': 'application/json' }, long) }, {}, ({ error }, client) => {
    t.match(error, { code: 'prompt_too_long', upstreamStatus: 400 }, client)
  })
  await readWith(t, request => { request.writeHead(503).writeChunk(long.slice(0, 20)).socket.destroySoon() }, {}, ({ error }, client) => {
    t.match(error, { code: 'upstream_overloaded' }, `${client}, cut`)
  })
  await readWith(t, request => { request.respond(401, {}, 'x'.repeat(200_000)) }, {}, ({ error }, client) => {
    t.match(error, { code: 'upstream_auth', statusCode: 502 }, `${client}, a long body`)
  })
})

t.test('the body of an error response is awaited for 5 s', async t => {
  const { advance } = mockClock(t)
  const { response, push } = manualResponse(500)
  const next = eventsOf(response).next()
  for (let ms = 0; ms < 5_000; ms += 1_000) {
    await nextTurn()
    push('x')
    await nextTurn()
    advance(1_000)
  }
  await t.rejects(next, { code: 'upstream_error', upstreamStatus: 500 })
})

t.test('a response that is not an event stream is rejected, and its connection closed', async t => {
  const headers = { 'a page': { 'content-type': 'text/html' }, 'no type': { 'content-type': '' }, 'another type': { 'content-type': 'text/event-streams' } }
  for (const [name, head] of Object.entries(headers)) {
    await readWith(t, async request => {
      request.writeHead(200, head).writeChunk('data: a\n\n')
      await request.closed
    }, {}, (collected, client) => {
      t.match(collected, { events: [], error: { code: 'bad_content_type', upstreamStatus: 200 } }, `${client}, ${name}`)
    })
  }
  t.match(await collect(eventsOf(responseOf(['x'], { 'content-encoding': 'gzip' }))), { error: { code: 'bad_content_type' } }, 'an encoded body')
  for (const [status, location] of [[304, ''], [302, '/']] as const) {
    const { baseURL } = await startUpstream(t, request => { request.respond(status, { location }, '') })
    t.match(await collect(eventsOf(await fetch(baseURL, { redirect: 'manual' }))), { error: { code: 'redirected' } })
  }
  t.match(await collect(eventsOf(new Response(null, { status: 204 }))), { error: { code: 'bad_content_type' } })
})

t.test('a media type in other case, with parameters, or an encoding that fetch has removed is accepted', async t => {
  for (const type of ['Text/Event-Stream', 'text/event-stream; charset=utf-8', 'text/event-stream ;x']) {
    t.match(await collect(eventsOf(responseOf(['data: a\n\n'], { 'content-type': type, 'content-encoding': '' }))), { events: [{ data: 'a' }], error: undefined })
  }
  const response = new Response('data: a\n\n', { headers: { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' } })
  t.match(await collect(eventsOf(response)), { events: [{ data: 'a' }], error: undefined })
  t.strictSame(await collect(eventsOf(new Response(null, { headers: { 'content-type': 'text/event-stream' } }))), { events: [], error: undefined }, 'no body')
})

t.test('a lost connection rejects after the events received so far', async t => {
  await readWith(t, request => { request.stream('data: a\n\n', 'data: b').socket.destroySoon() }, {}, (collected, client) => {
    t.match(collected, { events: [{ data: 'a' }], error: { name: 'ModelError', code: 'upstream_cut', retryable: true } }, client)
    t.equal(collected.events.length, 1)
  })
})

t.test('an end within an event rejects, and the incomplete event is discarded', async t => {
  for (const rest of ['data', 'data: b', 'data: b\n', 'event: b\n', 'id: 1\n', ': comment']) {
    await readWith(t, request => { request.stream('data: a\n\n', rest).end() }, {}, (collected, client) => {
      t.match(collected, { events: [{ data: 'a' }], error: { code: 'truncated' } }, `${client}, ${rest}`)
      t.equal(collected.events.length, 1)
    })
  }
})

t.test('an event or a line above maxEventBytes rejects', async t => {
  const ok = `data: ${'ü'.repeat(50)}\n\n`
  t.match(await collect(eventsOf(responseOf([ok]), { maxEventBytes: 100 })), { events: { length: 1 }, error: undefined })
  for (const large of [`data: ${'ü'.repeat(51)}\n\n`, `data: ${'x'.repeat(60)}\ndata: ${'x'.repeat(60)}\n\n`, `:${'x'.repeat(200)}`]) {
    await readWith(t, async request => {
      request.stream(ok, large)
      await request.closed
    }, { maxEventBytes: 100 }, (collected, client) => {
      t.match(collected, { events: { length: 1 }, error: { code: 'too_large' } }, client)
    })
  }
})

t.test('idleTimeout without data rejects and closes the connection, and comments count as data', async t => {
  const { advance } = mockClock(t)
  const { response, push, ended } = manualResponse()
  const events = eventsOf(response, { idleTimeout: 1_000 })
  for (const texts of [['data: a\n\n'], [':\n\n', ':\n\n', 'data: a\n\n']]) {
    // Time without a request does not count.
    advance(2_000)
    const next = events.next()
    for (const text of texts) {
      await nextTurn()
      advance(990)
      push(text)
    }
    t.match(await next, { value: { data: 'a' } })
  }
  const late = events.next()
  await nextTurn()
  advance(1_000)
  await t.rejects(late, { name: 'ModelError', code: 'idle_timeout' })
  t.ok(ended())
  t.strictSame(await events.next(), { done: true, value: undefined })
})

t.test('a timeout of the HTTP client is an idle timeout', async t => {
  const dispatcher = new undici.Agent({ bodyTimeout: 1 })
  t.teardown(() => dispatcher.destroy())
  const { baseURL } = await startUpstream(t, request => { request.stream('data: a\n\n') })
  t.match(await collect(eventsOf(await undici.fetch(baseURL, { dispatcher }))), { events: [{ data: 'a' }], error: { code: 'idle_timeout' } })
})

t.test('a consumer that reads slowly pauses the upstream', async t => {
  for (const name of ['fetch', 'request() of undici']) {
    const total = 32
    let sent = 0
    const { baseURL } = await startUpstream(t, async request => {
      for (request.writeHead(); sent < total; sent++) await new Promise(resolve => { request.socket.write(`100000\r\ndata:${'x'.repeat(2 ** 20 - 7)}\n\n\r\n`, resolve) })
      request.end()
    })
    const events = eventsOf(await CLIENTS[name]!(baseURL))
    t.match(await events.next(), { done: false })
    for (let last = -1; last !== sent; await new Promise(resolve => { setTimeout(resolve, 50) })) last = sent
    t.ok(sent < total, `${name}: ${sent} MiB of ${total}`)
    let received = 1
    for await (const { data } of events) received += data.length > 0 ? 1 : 0
    t.equal(received, total)
  }
})

t.test('a consumer that ends closes the connection, also while it waits', async t => {
  for (const [name, request] of Object.entries(CLIENTS)) {
    for (const moment of ['before it reads', 'between two events', 'while it waits']) {
      for (const method of ['return', 'throw', 'abort'] as const) {
        const { baseURL, nextRequest } = await startUpstream(t, request => { request.stream('data: a\n\ndata: b\n\n') })
        const controller = new AbortController()
        const received = nextRequest()
        const events = eventsOf(await request(baseURL), { signal: controller.signal })
        const reason = new Error(method)
        if (moment !== 'before it reads') t.match(await events.next(), { value: { data: 'a' } })
        if (moment === 'while it waits') t.match(await events.next(), { value: { data: 'b' } })
        const pending = moment === 'while it waits' ? events.next().catch((error: unknown) => error) : undefined
        if (method === 'return') t.strictSame(await events.return(), { done: true, value: undefined })
        else if (method === 'throw') await t.rejects(events.throw(reason), reason)
        else controller.abort(reason)
        const message = `${name}, ${method}, ${moment}`
        if (pending !== undefined) t.strictSame(await pending, method === 'abort' ? reason : { done: true, value: undefined }, message)
        else if (method === 'abort') await t.rejects(events.next(), reason, message)
        t.strictSame(await events.next(), { done: true, value: undefined }, message)
        await (await received).closed
      }
    }
  }
})

t.test('a consumer that ends while the body of an error response is read gets no error', async t => {
  const { baseURL } = await startUpstream(t, request => { request.writeHead(500).writeChunk('{') })
  const events = eventsOf(await fetch(baseURL))
  const pending = events.next()
  await nextTurn()
  t.strictSame(await events.return(), { done: true, value: undefined })
  t.strictSame(await pending, { done: true, value: undefined })
})

t.test('a body that ignores return() does not delay the end of the iteration', async t => {
  const body = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
  const events = eventsOf({ statusCode: 200, headers: { 'content-type': 'text/event-stream' }, body })
  const pending = events.next()
  await nextTurn()
  t.strictSame(await events.return(), { done: true, value: undefined })
  t.strictSame(await pending, { done: true, value: undefined })
})

t.test('leaving the loop and disposing close the connection', async t => {
  for (const leave of ['break', 'dispose']) {
    const { baseURL, nextRequest } = await startUpstream(t, request => { request.stream('data: a\n\n') })
    const received = nextRequest()
    const events = eventsOf(await fetch(baseURL))
    if (leave === 'break') for await (const { data } of events) if (data === 'a') break
    if (leave === 'dispose') await (events as unknown as Record<symbol, () => Promise<void>>)[Symbol.asyncDispose]!()
    await (await received).closed
  }
})

t.test('a signal that has aborted cancels the response', async t => {
  const reason = new Error('aborted')
  const { baseURL, nextRequest } = await startUpstream(t, request => { request.stream('data: a\n\n') })
  const received = nextRequest()
  const events = eventsOf(await fetch(baseURL), { signal: AbortSignal.abort(reason) })
  await (await received).closed
  await t.rejects(events.next(), reason)
})

t.test('a value that is not a response, a body that has been read and invalid options throw', async t => {
  const headers = { 'content-type': 'text/event-stream' }
  const read = new Response('data: a\n\n', { headers })
  await read.text()
  const locked = new Response('data: a\n\n', { headers })
  locked.body!.getReader()
  const body = (async function * () { yield '' })()
  const invalid = [undefined, null, 'text', {}, fetch, { status: 200, headers }, { statusCode: 200, headers, body: 'data: a\n\n' }, { status: '200', headers, body }, { status: 200, body }, { status: 200, headers, body: {} }, read, locked]
  for (const value of invalid) t.throws(() => eventsOf(value as Response), { code: 'SSE_ERR_OPTION', message: /^The argument of eventsOf\(\) must be a response/ })
  const options = [{ signal: {} }, { ids: 1 }, { idleTimeout: -1 }, { maxEventBytes: 0 }, { retries: 1 }, null] as EventsOptions[]
  for (const value of options) t.throws(() => eventsOf(new Response(null, { headers }), value), { code: 'SSE_ERR_OPTION' })
  t.doesNotThrow(() => eventsOf(new Response(null, { headers }), { signal: undefined, idleTimeout: 0 }))
})

t.test('a promise of a response is awaited', async t => {
  const { baseURL } = await startUpstream(t, request => { request.stream('data: a\n\n').end() })
  for (const request of Object.values(CLIENTS)) t.match(await collect(eventsOf(request(baseURL))), { events: [{ data: 'a' }], error: undefined })
  t.match(await collect(eventsOf(Promise.resolve({}) as never)), { events: [], error: { code: 'SSE_ERR_OPTION', message: /must be a response/ } })
})

t.test('a promise that rejects because the server cannot be reached rejects with a ModelError', async t => {
  const url = `http://${await closedAddress()}`
  const { baseURL } = await startUpstream(t, request => { request.socket.destroy() })
  for (const [name, request] of Object.entries(CLIENTS)) {
    t.match(await collect(eventsOf(request(url))), { events: [], error: { name: 'ModelError', code: 'upstream_unreachable', statusCode: 502, message: /ECONNREFUSED/, cause: { code: 'ECONNREFUSED' } } }, name)
    t.match(await collect(eventsOf(request(baseURL))), { error: { name: 'ModelError', code: 'upstream_cut', statusCode: 502 } }, name)
  }
})

t.test('a promise that rejects with an error of the caller rejects with it', async t => {
  const { baseURL } = await startUpstream(t)
  for (const error of [new Error('a bug'), 'text', undefined]) t.equal((await collect(eventsOf(Promise.reject(error)))).error, error)
  t.match(await collect(eventsOf(fetch('http://'))), { error: { name: 'TypeError' } }, 'an invalid URL')
  const reason = new Error('aborted')
  for (const request of [fetch, undici.request] as Array<(url: string, init: { signal: AbortSignal }) => Promise<ResponseLike>>) {
    t.equal((await collect(eventsOf(request(baseURL, { signal: AbortSignal.abort(reason) })))).error, reason)
  }
})

t.test('a consumer that ends before there is a response cancels it when it arrives', async t => {
  const reason = new Error('aborted')
  for (const end of ['return', 'abort'] as const) {
    const { baseURL, nextRequest } = await startUpstream(t)
    const received = nextRequest()
    const controller = new AbortController()
    const events = eventsOf(fetch(baseURL), { signal: controller.signal })
    const pending = events.next().catch((error: unknown) => error)
    const request = await received
    if (end === 'return') t.strictSame(await events.return(), { done: true, value: undefined })
    else controller.abort(reason)
    t.strictSame(await pending, end === 'return' ? { done: true, value: undefined } : reason)
    request.stream('data: a\n\n')
    await request.closed
  }
})

t.test('sendAll() sends the events to a client, and a run to its viewers', async t => {
  const { baseURL } = await startUpstream(t, request => { request.stream(STREAM).end() })
  const { app, listen } = await build(t)
  app.get('/relay', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.sendAll(async signal => eventsOf(await fetch(baseURL, { signal }), { signal }))
    emitter.complete({ event: 'end' })
    return emitter
  })
  app.get('/run', async (_request, reply) => {
    const { run } = await app.sse.runs.start('a', async ({ signal }) => eventsOf(await fetch(baseURL, { signal }), { signal, ids: false }))
    await run.watch(reply.sse())
    return reply
  })
  const url = await listen()
  const relayed = decode((await call(new URL('/relay', url)).readAll()).body)
  t.match(relayed.events, [...EVENTS.map(({ data, fields }) => ({ data, ...fields })), { event: 'end' }])
  const viewed = decode((await call(new URL('/run', url)).readAll()).body)
  t.strictSame(viewed.events.slice(1, -1).map(({ data, event }) => event === undefined ? { data } : { data, event }), EVENTS.map(({ data, fields }) => 'event' in fields ? { data, event: fields.event } : { data }))
  t.match(viewed.events.at(-1), { event: 'done' })
})

t.test('a client that disconnects closes the connection to the upstream, without a signal', async t => {
  for (const chunks of [[], ['data: a\n\n']]) {
    const { baseURL, nextRequest } = await startUpstream(t, request => { request.stream(...chunks) })
    const { app, listen } = await build(t)
    app.get('/', async (_request, reply) => {
      const emitter = reply.sse()
      emitter.open()
      await emitter.sendAll(eventsOf(await fetch(baseURL)))
    })
    const received = nextRequest()
    const { request, response } = call(await listen())
    request.on('error', () => {})
    await response
    const upstreamRequest = await received
    request.destroy()
    await upstreamRequest.closed
  }
})

t.test('items are events as event() creates them', async t => {
  const { value } = await eventsOf(responseOf(['data: a\n\n'])).next()
  t.equal(Object.getPrototypeOf(value), Object.getPrototypeOf(event('a')))
})
