import type { FastifyReply } from 'fastify'
import OpenAI from 'openai'
import t, { type Test } from 'tap'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'
import { chatChunk, DONE, startUpstream, type ReceivedRequest } from '../fixtures/upstream.ts'

const PAGE = 'docs/models.md'
const ANSWER = [chatChunk({ role: 'assistant', content: '' }), ': comment\n\n', chatChunk({ content: 'Hel' }), chatChunk({ content: 'lo' }, 'stop'), DONE]

/** A `fetch` that sends every request to an upstream, whatever its address. */
async function fetchFrom (t: Test, respond: (request: ReceivedRequest) => void): Promise<{ fetch: typeof fetch, requests: ReceivedRequest[] }> {
  const { baseURL, requests } = await startUpstream(t, respond)
  return { fetch: (url, init) => fetch(`${new URL(baseURL).origin}${new URL(url as string).pathname}`, init), requests }
}

t.test('README: a response of events is relayed as events', async t => {
  const upstream = await fetchFrom(t, request => { request.stream('event: delta\nid: 1\ndata: a\n\n', 'data: b\n\n').end() })
  const { app, listen } = await build(t)
  const [block] = blocksOf('README.md', 'Disconnects')
  app.get('/', async (_request, reply: FastifyReply) => {
    await runBlock(block!, { reply, fetch: upstream.fetch })
    return reply
  })
  const { body } = await call(await listen()).readAll()
  t.match(decode(body).events, [{ event: 'delta', id: '1', data: 'a' }, { event: undefined, data: 'b' }, { event: 'end' }])
})

t.test('relay an event stream: OpenAI\'s client reads the answer that the model gave', async t => {
  const upstream = await fetchFrom(t, request => {
    if (request.body.model === 'm') request.stream(...ANSWER).end()
    else request.respond(429, { 'retry-after': '7', 'content-type': 'application/json' }, '{"error":{"message":"slow down"}}')
  })
  const { app, listen } = await build(t)
  await runBlock(blocksOf(PAGE, 'Relay an event stream')[0]!, { app, fetch: upstream.fetch })
  const openai = new OpenAI({ baseURL: new URL('/v1', await listen()).href, apiKey: 'none', maxRetries: 0 })
  let text = ''
  for await (const { choices: [choice] } of await openai.chat.completions.create({ model: 'm', messages: [], stream: true })) text += choice?.delta.content ?? ''
  t.equal(text, 'Hello')
  const error: unknown = await openai.chat.completions.create({ model: 'unknown', messages: [], stream: true }).catch((error: unknown) => error)
  t.match(error, { status: 429 })
  t.equal(upstream.requests[0]!.requestLine, 'POST /v1/chat/completions HTTP/1.1')
})

t.test('resume an answer: a lost connection to the model is not seen by the client', async t => {
  const events = [
    { type: 'response.created', response: { id: 'resp_1' } },
    { type: 'response.output_text.delta', delta: 'Hel' },
    { type: 'response.output_text.delta', delta: 'lo' },
    { type: 'response.completed', response: { id: 'resp_1', status: 'completed' } }
  ].map((event, number) => `data: ${JSON.stringify({ ...event, sequence_number: number })}\n\n`)
  const { baseURL, requests } = await startUpstream(t, request => {
    const after = /starting_after=(\d+)/.exec(request.requestLine)?.[1]
    if (after === undefined) request.stream(...events.slice(0, 2)).socket.destroySoon()
    else request.stream(...events.slice(Number(after) + 1)).end()
  })
  const { app, listen } = await build(t)
  await runBlock(blocksOf(PAGE, 'Resume an answer')[0]!.replace('https://api.openai.com/v1', baseURL), { app })
  const { body } = await call(new URL('/research?q=Hi', await listen())).readAll()
  t.match(decode(body).events, [{ data: '{"text":"Hel"}' }, { data: '{"text":"lo"}' }, { event: 'end' }])
  t.equal(requests.length, 2)
})
