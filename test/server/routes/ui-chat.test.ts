import { DefaultChatTransport, readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai'
import t, { type Test } from 'tap'
import { build } from '../../fixtures/app.ts'
import { call, decode } from '../../fixtures/client.ts'
import { demo, scriptedModel } from '../../fixtures/demo.ts'
import { uiChat } from '../../../server/routes/ui-chat.ts'

const message = (text: string): UIMessage => ({ id: 'm1', role: 'user', parts: [{ type: 'text', text }, { type: 'step-start' }] })

interface Setup {
  transport: DefaultChatTransport<UIMessage>
  model: ReturnType<typeof scriptedModel>
  url: URL
  /** Sends a message the way `useChat` does. */
  send: (text?: string, options?: { chatId?: string, signal?: AbortSignal }) => Promise<ReadableStream<UIMessageChunk>>
  /** Reconnects the way `useChat` with `resume` does. */
  resume: (chatId?: string) => Promise<ReadableStream<UIMessageChunk> | null>
}

async function setup (t: Test, model = scriptedModel('Hel', 'lo')): Promise<Setup> {
  const { app, listen } = await build(t)
  await app.register(uiChat, model)
  const url = await listen()
  const transport = new DefaultChatTransport<UIMessage>({ api: new URL('/api/chat', url).href })
  return {
    transport,
    model,
    url,
    send: async (text = 'Hi', { chatId = 'c', signal } = {}) =>
      await transport.sendMessages({ chatId, trigger: 'submit-message', messageId: undefined, messages: [message(text)], abortSignal: signal }),
    resume: async (chatId = 'c') => await transport.reconnectToStream({ chatId })
  }
}

/** The complete message as read by the SDK. */
async function read (stream: ReadableStream<UIMessageChunk>): Promise<UIMessage> {
  let last: UIMessage | undefined
  for await (const message of readUIMessageStream({ stream, terminateOnError: true })) last = message
  return last!
}

const textOf = ({ parts }: UIMessage): string => parts.map(part => part.type === 'text' ? part.text : '').join('')

t.test('the SDK reads an answer', async t => {
  const { send, model } = await setup(t)
  const answer = await read(await send())
  t.equal(textOf(answer), 'Hello')
  t.match(answer, { role: 'assistant', id: String })
  t.strictSame(model.conversations, [[{ role: 'user', content: 'Hi' }]])
})

t.test('the SDK resumes an answer after a reload', async t => {
  let go = (): void => {}
  const { send, resume } = await setup(t, scriptedModel('Hel', new Promise<void>(resolve => { go = resolve }), 'lo'))
  const page = new AbortController()
  await send('Hi', { signal: page.signal })
  page.abort()
  const reloaded = await resume()
  const otherTab = await resume()
  go()
  const [one, two] = [await read(reloaded!), await read(otherTab!)]
  t.equal(textOf(one), 'Hello')
  t.strictSame(two, one, 'every tab shows the same message')
  t.equal(await resume(), null, 'an answer that has ended is not resumed')
  t.equal(await resume('unknown'), null)
})

t.test('a request repeated while it is being answered calls the model once', async t => {
  let go = (): void => {}
  const { send, model } = await setup(t, scriptedModel('Hel', new Promise<void>(resolve => { go = resolve }), 'lo'))
  const streams = [await send(), await send()]
  go()
  t.strictSame(await Promise.all(streams.map(async stream => textOf(await read(stream)))), ['Hello', 'Hello'])
  t.equal(model.conversations.length, 1)
  t.equal(textOf(await read(await send())), 'Hello', 'after the answer it is a new question')
  t.equal(model.conversations.length, 2)
})

t.test('simultaneous identical requests call the model once', async t => {
  let go = (): void => {}
  const { send, model } = await setup(t, scriptedModel('Hel', new Promise<void>(resolve => { go = resolve }), 'lo'))
  const streams = await Promise.all([send(), send()])
  go()
  t.strictSame(await Promise.all(streams.map(async stream => textOf(await read(stream)))), ['Hello', 'Hello'])
  t.equal(model.conversations.length, 1)
})

t.test('a new question stops the answer to the previous one', async t => {
  const { send, model, resume } = await setup(t, scriptedModel('Hel', new Promise(() => {})))
  const first = await send('Hi')
  const second = await send('Hello')
  await read(first)
  t.strictSame(model.signals.map(({ aborted }) => aborted), [true, false])
  await second.cancel()
  await (await resume())!.cancel()
})

t.test('DELETE stops an answer', async t => {
  const { send, url, resume } = await setup(t, scriptedModel('Hel', new Promise(() => {})))
  const stream = await send()
  const stop = async (chatId: string): Promise<number> => (await call(new URL(`/api/chat/${chatId}`, url), { method: 'DELETE' }).readAll()).status
  t.strictSame([await stop('c'), await stop('c'), await stop('unknown')], [204, 204, 404])
  t.equal(textOf(await read(stream)), 'Hel')
  t.equal(await resume(), null)
})

t.test('the failure of the model is an error in the SDK', async t => {
  const { send } = await setup(t, scriptedModel('Hel', Object.assign(new Error('Busy'), { expose: true, code: 'busy' })))
  await t.rejects(read(await send()), { message: 'Busy' })
})

t.test('the bytes follow the protocol of the SDK', async t => {
  const { url, model } = await setup(t)
  const payload = JSON.stringify({ id: 'c', trigger: 'submit-message', messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text' }, { type: 'text', text: 'Hi' }] }] })
  const { status, headers, body } = await call(new URL('/api/chat', url), { method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json' } }, payload).readAll()
  t.equal(status, 200)
  t.strictSame(model.conversations, [[{ role: 'user', content: 'Hi' }]], 'a part without text is ignored')
  t.equal(headers['x-vercel-ai-ui-message-stream'], 'v1')
  const { events } = decode(body)
  t.ok(events.every(({ event }) => event === undefined))
  t.equal(events.at(-1)!.data, '[DONE]')
  t.strictSame(events.slice(0, -1).map(({ data }) => JSON.parse(data).type), ['start', 'start-step', 'text-start', 'text-delta', 'text-delta', 'text-end', 'finish-step', 'finish'])
  t.ok(body.split('\n').every(line => line === '' || line.startsWith('data: ')), 'every line starts with "data: "')
})

t.test('an invalid request is answered with 400', async t => {
  const { url } = await setup(t)
  for (const payload of [{}, { id: 'c' }, { id: 'c', messages: [] }, { id: '', messages: [message('x')] }, { id: 'c', messages: [{ role: 'user' }] }]) {
    const { status } = await call(new URL('/api/chat', url), { method: 'POST', headers: { 'content-type': 'application/json' } }, JSON.stringify(payload)).readAll()
    t.equal(status, 400, JSON.stringify(payload))
  }
})

t.test('the demo answers the SDK with its own model', async t => {
  const { url } = await demo(t)
  const transport = new DefaultChatTransport<UIMessage>({ api: new URL('/api/chat', url).href })
  const stream = await transport.sendMessages({ chatId: 'c', trigger: 'submit-message', messageId: undefined, messages: [message('repeat: one two three')], abortSignal: undefined })
  t.equal(textOf(await read(stream)), 'one two three')
})

t.test('a chat belongs to the session of its client', async t => {
  const { url, model } = await setup(t, scriptedModel('Hel', new Promise(() => {})))
  const as = (letter: string): Record<string, string> => ({ cookie: `sse-demo-session=${letter.repeat(22)}` })
  const ask = (letter: string) => call(new URL('/api/chat', url), { method: 'POST', headers: { 'content-type': 'application/json', ...as(letter) } }, JSON.stringify({ id: 'c', messages: [message('Hi')] })).response
  const request = async (letter: string, path: string, method = 'GET') => (await call(new URL(path, url), { method, headers: as(letter) }).response).statusCode
  await ask('a')
  t.equal(await request('b', '/api/chat/c/stream'), 204, 'another client has no such chat to watch')
  t.equal(await request('b', '/api/chat/c', 'DELETE'), 404, 'nor to stop')
  await ask('b')
  t.equal(model.signals.length, 2, 'its own question has its own answer')
  t.strictSame(model.signals.map(({ aborted }) => aborted), [false, false])
  t.equal(await request('a', '/api/chat/c/stream'), 200)
  t.equal(await request('a', '/api/chat/c', 'DELETE'), 204)
  t.strictSame(model.signals.map(({ aborted }) => aborted), [true, false])
})
