import net from 'node:net'
import t, { type Test } from 'tap'
import { injectSse, type InjectedEvent } from 'fastify-sse-emitter/testing'
import { languageModel } from '../../../server/language-model.ts'
import { readConfig } from '../../../server/config.ts'
import { llmChat } from '../../../server/routes/llm-chat.ts'
import { build, WARN } from '../../fixtures/app.ts'
import { call, decode } from '../../fixtures/client.ts'
import { mockClock } from '../../fixtures/clock.ts'
import { demo, scriptedModel } from '../../fixtures/demo.ts'
import { until } from '../../fixtures/until.ts'

t.test('the answer of the model is relayed piece by piece', async t => {
  const { app } = await build(t)
  await app.register(llmChat, scriptedModel('Hel', 'lo'))
  const { body } = await app.inject('/llmChat?q=Hi')
  t.strictSame(decode(body).events.map(({ event, data }) => [event, JSON.parse(data)]), [
    ['delta', { text: 'Hel' }], ['delta', { text: 'lo' }], ['done', { finishReason: 'stop', usage: null }]
  ])
})

t.test('the stream opens before the model answers', async t => {
  const { app } = await build(t)
  const model = scriptedModel(new Promise(() => {}))
  await app.register(llmChat, model)
  const stream = await injectSse(app, { url: '/llmChat?q=Hi' })
  t.equal(stream.statusCode, 200)
  await stream.leave()
  t.equal(model.signals[0]!.aborted, true)
})

t.test('the failure of the model is sent as an event', async t => {
  const { app, logs } = await build(t)
  await app.register(llmChat, scriptedModel('Hel', Object.assign(new Error('Busy'), { expose: true, code: 'busy', retryable: true })))
  const { statusCode, body } = await app.inject('/llmChat?q=Hi')
  t.equal(statusCode, 200)
  t.strictSame(decode(body).events.map(({ event, data }) => [event, JSON.parse(data)]).at(-1), ['failed', { code: 'busy', message: 'Busy', retryable: true }])
  await until(() => logs.some(({ level }) => level >= WARN), 'the failure is logged')
  t.match(logs.filter(({ level }) => level >= WARN), [{ msg: 'event stream source failed' }])
})

t.test('an answer that takes too long fails', async t => {
  const { advance } = mockClock(t)
  const { app } = await build(t)
  const model = scriptedModel('Hel', new Promise(() => {}))
  await app.register(llmChat, { ...model, timeout: 1_000 })
  const stream = await injectSse(app, { url: '/llmChat?q=Hi' })
  t.match(await stream.next(), { event: 'delta', data: '{"text":"Hel"}' })
  advance(1_000)
  const [{ event, data }] = await stream.take(1) as [InjectedEvent]
  t.strictSame([event, JSON.parse(data)], ['failed', { code: 'timeout', message: 'The answer took too long', retryable: true }])
  t.equal(model.signals[0]!.aborted, true)
})

/**
 * A model on a bare socket. It writes `head` and, unless that is empty, an endless answer.
 *
 * @returns its base URL, and how many requests it has received, how many of their connections have closed and how many
 * bytes it has sent
 */
async function rawModel (t: Test, head: string): Promise<{ base: string, requests: () => number, closed: () => number, sent: () => number }> {
  let closed = 0
  let requests = 0
  let sent = 0
  const server = net.createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', () => {
      requests++
      socket.on('close', () => { closed++ })
      socket.write(head)
      if (head === '') return
      const piece = `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(10_000) } }] })}\n\n`
      const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`
      const fill = (): void => {
        while (!socket.destroyed) {
          sent += chunk.length
          if (!socket.write(chunk)) return
        }
      }
      socket.on('drain', fill)
      fill()
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => server.close())
  return { base: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/v1`, requests: () => requests, closed: () => closed, sent: () => sent }
}

const STREAM = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'

t.test('a disconnect aborts the request to the model at any moment', async t => {
  for (const head of ['', STREAM]) {
    const { base, requests, closed } = await rawModel(t, head)
    const { app, listen } = await build(t)
    await app.register(llmChat, { answer: languageModel(app, readConfig({ LLM_BASE_URL: base })) })
    const url = new URL('/llmChat?q=Hi', await listen())
    for (let times = 1; times <= 10; times++) {
      const { request, response } = call(url)
      await response
      await until(() => requests() === times, 'the model has received the requests')
      request.destroy()
      await until(() => closed() === times, 'the requests are closed')
    }
    t.equal(app.sse.size, 0)
  }
})

t.test('a client that does not read slows the model down', async t => {
  const { base, sent, closed } = await rawModel(t, STREAM)
  const { app, listen } = await build(t)
  await app.register(llmChat, { answer: languageModel(app, readConfig({ LLM_BASE_URL: base })) })
  const { request, response } = call(new URL('/llmChat?q=Hi', await listen()))
  const message = await response
  message.pause()
  // All buffers in between are full when the number stops growing.
  let before = -1
  while (before !== sent()) {
    before = sent()
    await new Promise(resolve => { setTimeout(resolve, 500) })
  }
  t.ok(before < 64_000_000, `${before} bytes`)
  t.equal(closed(), 0)
  message.resume()
  await until(() => sent() > before + 5_000_000, 'the model has sent more')
  request.destroy()
  await until(() => closed() === 1, 'the request is closed')
})

t.test('a question must have 1 to 8000 characters', async t => {
  const { app } = await demo(t)
  for (const query of ['', '?q=', `?q=${'x'.repeat(8_001)}`]) t.equal((await app.inject(`/learn/llmChat${query}`)).statusCode, 400)
  const { headers, body } = await app.inject({ url: '/learn/llmChat?q=repeat:%20one%20two', headers: { origin: 'http://a.example' } })
  t.equal(headers['access-control-allow-origin'], '*')
  t.equal(decode(body).events.filter(({ event }) => event === 'delta').map(({ data }) => JSON.parse(data).text).join(''), 'one two')
})
