import { Socket } from 'node:net'
import { install } from '@sinonjs/fake-timers'
import t, { type Test } from 'tap'
import { streamChatCompletions, streamMessages, streamOllamaChat, streamResponses, type ModelOptions } from '../../plugin/llm/index.ts'
import { chatChunk, collect, DONE, ManualUpstream, sseEvent, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

const BODY = { model: 'm', messages: [] }

type Respond = (request: ReceivedRequest) => void

/** Keeps sending comments and empty deltas. */
function keepPinging (request: ReceivedRequest): void {
  const timer = setInterval(() => { request.writeChunk(`: PROCESSING\n\n${chatChunk({ role: 'assistant', content: '' })}`) }, 5)
  request.socket.once('close', () => { clearInterval(timer) })
}

t.test('each phase of a request has its timeout, which closes the connection and is not retried', async t => {
  const cases: Array<[name: string, options: Partial<ModelOptions>, respond: Respond, expected: object]> = [
    ['no response', { firstByteTimeout: 30 }, () => {}, { error: { code: 'first_byte_timeout', statusCode: 504 } }],
    ['no delta', { firstTokenTimeout: 30 }, request => { request.writeHead() }, { error: { code: 'first_token_timeout', statusCode: 504 } }],
    ['pings instead of a delta', { firstTokenTimeout: 50 }, request => { keepPinging(request.writeHead()) }, { error: { code: 'first_token_timeout' } }],
    ['no further delta', { idleTimeout: 30 }, request => { request.stream(chatChunk({ content: 'Hi' })) }, { text: 'Hi', error: { code: 'idle_timeout', statusCode: 504 } }],
    ['pings instead of a further delta', { idleTimeout: 50, firstTokenTimeout: 50 }, request => { keepPinging(request.stream(chatChunk({ content: 'Hi' }))) }, { text: 'Hi', error: { code: 'idle_timeout' } }],
    ['no end after the finish reason', { idleTimeout: 30 }, request => { request.stream(chatChunk({ content: 'Hi' }, 'stop')) }, { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined }]
  ]
  for (const [name, options, respond, expected] of cases) {
    const { baseURL, requests, requestNumber } = await startUpstream(t, respond)
    t.match(await collect(streamChatCompletions(BODY, { baseURL, ...options })), expected, name)
    await requestNumber(1)
    await requests[0]!.closed
    t.equal(requests.length, 1)
  }
})

t.test('the idle timeout restarts with each delta, counts only while a delta is requested, and uses one timer', async t => {
  let sendDelta = (): void => {}
  const { baseURL } = await startUpstream(t, request => {
    request.stream(chatChunk({ content: 'a' }) + chatChunk({ content: 'b' }))
    sendDelta = () => { request.writeChunk(chatChunk({ content: 'c' })) }
  })
  const timers: Array<{ expire: () => void, refreshCount: number }> = []
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => {
      const timer = setTimeout(callback, ms)
      if (ms !== 34_567) return timer
      const recorded = { expire: callback, refreshCount: 0 }
      timers.push(recorded)
      return Object.assign(timer, { refresh: () => { recorded.refreshCount++ } })
    }
  })
  const deltas = streamChatCompletions(BODY, { baseURL, idleTimeout: 34_567 })
  t.match(await deltas.next(), { value: { text: 'a' } })
  const [timer] = timers
  timer!.expire()
  t.match(await deltas.next(), { value: { text: 'b' } }, 'nothing was requested when the timer expired')
  t.equal(timer!.refreshCount, 0, 'the delta was queued')
  for (let number = 1; number <= 3; number++) {
    const next = deltas.next()
    t.equal(timer!.refreshCount, number)
    sendDelta()
    t.match(await next, { value: { text: 'c' } })
  }
  const next = deltas.next()
  timer!.expire()
  await t.rejects(next, { code: 'idle_timeout' })
  t.equal(timers.length, 1)
})

t.test('a delta restarts the idle timeout if another one is requested already', async t => {
  const clock = install({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  t.teardown(() => { clock.uninstall() })
  const upstream = new ManualUpstream()
  const deltas = streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher: upstream.dispatcher })
  const reads = [deltas.next(), deltas.next(), deltas.next(), deltas.next()]
  upstream.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const content of ['a', 'b', 'c']) {
    clock.tick(50_000)
    upstream.write(chatChunk({ content }))
  }
  clock.tick(59_000)
  upstream.write(chatChunk({ content: 'd' }))
  t.match(await Promise.all(reads), [{ value: { text: 'a' } }, { value: { text: 'b' } }, { value: { text: 'c' } }, { value: { text: 'd' } }])
  await deltas.return()
})

t.test('a chunk with both a delta and the end or a failure leaves no timer', async t => {
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
  for (const end of [sseEvent({ error: 'boom' }), 'data: {\n\n', DONE]) {
    const upstream = new ManualUpstream()
    const result = collect(streamChatCompletions(BODY, { baseURL: 'http://models.example', dispatcher: upstream.dispatcher, firstTokenTimeout: 34_567, idleTimeout: 34_567 }))
    upstream.writeHead(200, { 'content-type': 'text/event-stream' })
    t.equal(running.size, 1)
    upstream.write(chatChunk({ content: 'Hi' }) + end)
    t.equal(running.size, 0, end)
    upstream.end()
    t.match(await result, { text: 'Hi' })
  }
})

t.test('the body of an error response is read for a limited time', async t => {
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', { value: (callback: () => void, ms: number) => setTimeout(callback, ms === 5_000 ? 20 : ms) })
  const { baseURL } = await startUpstream(t, request => { request.writeHead(503).writeChunk('{') })
  t.match(await collect(streamChatCompletions(BODY, { baseURL, retries: 0 })), { error: { code: 'upstream_overloaded' } })
})

t.test('an answer does not wait for the end of the response, and the connection is closed if the end does not come', async t => {
  const { baseURL, requests } = await startUpstream(t, request => { request.stream(chatChunk({ content: 'Hi' }, 'stop'), DONE) })
  t.match(await collect(streamChatCompletions(BODY, { baseURL })), { text: 'Hi', error: undefined })
  t.notOk(requests[0]!.socket.destroyed)
  await requests[0]!.closed
  t.ok(requests[0]!.socket.destroyed)
})

const MINUTE = 60_000

interface Conversation {
  /** Sends data at once, then lets time pass. */
  send: (text: string, ms: number) => Promise<void>
  result: ReturnType<typeof collect>
  isSettled: () => boolean
}

/** Starts a request whose upstream is the test, on a clock that stands still. */
function converse (t: Test, options: Partial<ModelOptions> = {}, stream: typeof streamChatCompletions | typeof streamMessages | typeof streamResponses | typeof streamOllamaChat = streamChatCompletions, body: object = {}): Conversation & { upstream: ManualUpstream, wait: (ms: number) => Promise<void> } {
  const clock = install({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  const upstream = new ManualUpstream()
  let settled = false
  const result = collect((stream as typeof streamOllamaChat)({ ...BODY, max_tokens: 10, input: 'Hi', ...body }, { baseURL: 'http://models.example', dispatcher: upstream.dispatcher, ...options }))
  t.teardown(() => { clock.uninstall() })
  result.then(() => {
    settled = true
    clock.uninstall()
  })
  const wait = async (ms: number): Promise<void> => {
    // The consumer requests the next delta first.
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    clock.tick(ms)
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
  return {
    upstream,
    wait,
    send: async (text, ms) => {
      upstream.write(text)
      await wait(ms)
    },
    result,
    isSettled: () => settled
  }
}

const SSE_TYPE = { 'content-type': 'text/event-stream' }
const PING = ': ping\n\n'

t.test('a model may be silent for more than ten minutes before its answer', async t => {
  for (const start of ['', chatChunk({ role: 'assistant', content: '' }), PING]) {
    const { upstream, send, wait, result } = converse(t)
    await wait(14 * MINUTE)
    upstream.writeHead(200, SSE_TYPE)
    await send(start, 14 * MINUTE)
    await send(chatChunk({ content: 'Hi' }, 'stop') + DONE, 0)
    upstream.end()
    t.match(await result, { text: 'Hi', error: undefined }, start)
  }
  const { wait, result } = converse(t)
  await wait(16 * MINUTE)
  t.match(await result, { error: { code: 'first_byte_timeout' } })
})

t.test('any data restarts the idle timeout, but a model without a delta for firstTokenTimeout is dead', async t => {
  for (const sign of [PING, chatChunk({ content: '' }), ': a part of']) {
    const { upstream, send, result } = converse(t)
    upstream.writeHead(200, SSE_TYPE)
    await send(chatChunk({ content: 'Hi' }), 0.9 * MINUTE)
    await send(sign, 0.9 * MINUTE)
    await send(PING, 1.1 * MINUTE)
    t.match(await result, { text: 'Hi', error: { code: 'idle_timeout' } }, sign)
  }
  const { upstream, send, result, isSettled } = converse(t)
  upstream.writeHead(200, SSE_TYPE)
  for (let answer = 0; answer < 2; answer++) {
    await send(chatChunk({ content: 'Hi' }), 0.5 * MINUTE)
    for (let minute = 0; minute < 14; minute++) await send(PING, 0.9 * MINUTE)
    t.notOk(isSettled())
  }
  for (let minute = 0; minute < 5; minute++) await send(PING, 0.9 * MINUTE)
  t.match(await result, { text: 'HiHi', error: { code: 'idle_timeout' } })
})

t.test('pings after the finish reason delay the end by no more than idleTimeout', async t => {
  const { upstream, send, result } = converse(t)
  upstream.writeHead(200, SSE_TYPE)
  await send(chatChunk({ content: 'Hi' }), 0)
  await send(chatChunk({}, 'stop'), 0.6 * MINUTE)
  await send(PING, 0.6 * MINUTE)
  t.match(await result, { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined })
})

t.test('a model that announces work may be silent for more than ten minutes in the middle of its answer', async t => {
  const start = (index: number, block: object): string => sseEvent({ type: 'content_block_start', index, content_block: block })
  const text = (text: string): string => sseEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })
  const stop = sseEvent({ type: 'content_block_stop', index: 0 })
  const announcements = [
    start(1, { type: 'redacted_thinking', data: 'x' }), start(1, { type: 'thinking', thinking: '' }), start(1, { type: 'server_tool_use', id: 's', name: 'web_search' }),
    start(1, { type: 'tool_use', id: 'a', name: 'add', input: {} }), stop, stop + start(1, { type: 'thinking', thinking: '' }) + PING
  ]
  for (const announcement of announcements) {
    const { upstream, send, result } = converse(t, {}, streamMessages)
    upstream.writeHead(200, SSE_TYPE)
    await send(start(0, { type: 'text', text: '' }) + text('Hi'), 0)
    await send(announcement, 8 * MINUTE)
    await send(PING, 6 * MINUTE)
    await send(text('!'), 0.9 * MINUTE)
    await send(text('?'), 1.1 * MINUTE)
    t.match(await result, { text: 'Hi!?', error: { code: 'idle_timeout' } }, 'after the next delta, idleTimeout applies again')
  }
  const { upstream, send, result } = converse(t, {}, streamMessages)
  upstream.writeHead(200, SSE_TYPE)
  await send(text('Hi') + stop, 8 * MINUTE)
  await send(stop, 8 * MINUTE)
  t.match(await result, { text: 'Hi', error: { code: 'idle_timeout' } }, 'further announcements extend nothing')
})

t.test('a server may generate a tool call in silence where it sends calls only when they are whole', async t => {
  const call = { function: { name: 'add', arguments: '{}' } }
  const [hi, whole] = [chatChunk({ content: 'Hi' }), chatChunk({ tool_calls: [{ index: 0, ...call }] }, 'tool_calls') + DONE]
  const [hiLine, wholeLine] = ['{"message":{"content":"Hi"},"done":false}\n', `${JSON.stringify({ message: { tool_calls: [call] }, done: true, done_reason: 'stop' })}\n`]
  for (const [stream, start, end] of [[streamChatCompletions, hi, whole], [streamOllamaChat, hiLine, wholeLine]] as const) {
    const { upstream, send, result } = converse(t, {}, stream, { tools: [{}] })
    upstream.writeHead(200, SSE_TYPE)
    await send(start, 14 * MINUTE)
    await send(end, 0)
    const { text, deltas, error } = await result
    const calls = deltas.filter(delta => delta.type === 'tool-call')
    t.match({ text, name: calls[0]?.name, args: calls.map(({ arguments: args }) => args).join(''), end: deltas.at(-1), error }, { text: 'Hi', name: 'add', args: '{}', end: { reason: 'tool-calls' }, error: undefined })
  }
  const cases: Array<[options: Partial<ModelOptions>, stream: typeof streamChatCompletions | typeof streamMessages, start: string, body: object, ms: number]> = [
    [{}, streamChatCompletions, hi, { tools: [] }, 1.1 * MINUTE],
    [{}, streamChatCompletions, hi, { tools: null }, 1.1 * MINUTE],
    [{ idleTimeout: 5_000 }, streamChatCompletions, hi, { tools: [{}] }, 6_000],
    [{ firstTokenTimeout: 90_000 }, streamChatCompletions, hi, { tools: [{}] }, 91_000],
    [{}, streamMessages, sseEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }), { tools: [{}] }, 1.1 * MINUTE]
  ]
  for (const [options, stream, start, body, ms] of cases) {
    const { upstream, send, result } = converse(t, options, stream, body)
    upstream.writeHead(200, SSE_TYPE)
    await send(start, ms)
    t.match(await result, { text: 'Hi', error: { code: 'idle_timeout' } }, JSON.stringify([options, body]))
  }
})

t.test('Responses announces work by the start and the end of its items', async t => {
  const text = sseEvent({ type: 'response.output_text.delta', delta: 'Hi' })
  const announcements: Array<[event: object, isWork: boolean]> = [
    [{ type: 'response.output_item.added', item: { type: 'reasoning' } }, true],
    [{ type: 'response.output_item.added', item: { type: 'web_search_call' } }, true],
    [{ type: 'response.web_search_call.searching' }, true],
    [{ type: 'response.output_text.done' }, true],
    [{ type: 'response.output_item.done', item: { type: 'message' } }, true],
    [{ type: 'response.output_item.added', item: { type: 'message' } }, false],
    [{ type: 'response.content_part.added', part: { type: 'output_text' } }, false],
    [{ type: 'response.audio.delta', delta: '' }, false],
    [{ type: 'keepalive' }, false],
    [{}, false]
  ]
  for (const [event, isWork] of announcements) {
    const { upstream, send, result, isSettled } = converse(t, {}, streamResponses)
    upstream.writeHead(200, SSE_TYPE)
    await send(text, 0)
    await send(sseEvent(event), 1.1 * MINUTE)
    t.equal(isSettled(), !isWork, JSON.stringify(event))
    if (isWork) await send(sseEvent({ type: 'response.completed', response: {} }), 0)
    await result
  }
})

t.test('a model that finishes after its work is awaited no longer than idleTimeout', async t => {
  const { upstream, send, result } = converse(t, {}, streamMessages)
  upstream.writeHead(200, SSE_TYPE)
  await send(sseEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }) + sseEvent({ type: 'content_block_stop', index: 0 }), 2 * MINUTE)
  await send(sseEvent({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }), 1.1 * MINUTE)
  t.match(await result, { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined })
})

t.test('the limit of a silent model is never below idleTimeout', async t => {
  const { upstream, send, result } = converse(t, { firstTokenTimeout: 1_000 })
  upstream.writeHead(200, SSE_TYPE)
  await send(chatChunk({ content: 'Hi' }), 0.9 * MINUTE)
  await send(PING, 0.5 * MINUTE)
  await send(chatChunk({ content: '!' }, 'stop') + DONE, 0)
  t.match(await result, { text: 'Hi!', error: undefined })
})

t.test('TCP detects a peer that vanishes while the model reasons', async t => {
  const delays: unknown[] = []
  const { setKeepAlive } = Socket.prototype
  t.intercept(Socket.prototype, 'setKeepAlive', {
    value (this: Socket, enable: boolean, delay: number) {
      delays.push(enable && delay)
      return setKeepAlive.call(this, enable, delay)
    }
  })
  const { baseURL } = await startUpstream(t, request => { request.stream(DONE).end() })
  await collect(streamChatCompletions(BODY, { baseURL }))
  t.strictSame(new Set(delays), new Set([30_000]))
})
