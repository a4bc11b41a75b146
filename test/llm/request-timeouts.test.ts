import t from 'tap'
import { streamChatCompletions, type ModelOptions } from '../../plugin/llm/index.ts'
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
    ['pings instead of a further delta', { idleTimeout: 50 }, request => { keepPinging(request.stream(chatChunk({ content: 'Hi' }))) }, { text: 'Hi', error: { code: 'idle_timeout' } }],
    ['no end after the finish reason', { idleTimeout: 30 }, request => { request.stream(chatChunk({ content: 'Hi' }, 'stop')) }, { deltas: [{}, { type: 'finish', reason: 'stop' }], error: undefined }]
  ]
  for (const [name, options, respond, expected] of cases) {
    const { baseURL, requests } = await startUpstream(t, respond)
    t.match(await collect(streamChatCompletions(BODY, { baseURL, ...options })), expected, name)
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
