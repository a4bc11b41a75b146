import fastify, { type FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import { event } from 'fastify-sse-emitter'
import { streamChatCompletions } from 'fastify-sse-emitter/llm'
import { build } from '../fixtures/app.ts'
import { call, decode } from '../fixtures/client.ts'

/** A route that opens at the first word, as the documents show it, and a model that answers as it is told. */
async function scene (t: Test, answer: (reply: FastifyReply) => unknown): Promise<URL> {
  const model = fastify()
  model.post('/chat/completions', async (_request, reply) => answer(reply))
  t.teardown(() => model.close())
  const baseURL = await model.listen({ port: 0, host: '127.0.0.1' })
  const { app, listen } = await build(t)
  app.get('/', async (_request, reply) => {
    const emitter = reply.sse()
    const deltas = streamChatCompletions({ model: 'm', messages: [] }, { baseURL, apiKey: 'a secret', signal: emitter.signal, retries: 0 })
    const first = await deltas.next()
    await emitter.sendAll(async function * () {
      yield event(first.value)
      yield * deltas
    })
    emitter.complete()
  })
  return await listen()
}

t.test('who opens at the first word answers with a status where there is none', async t => {
  const rows: Array<[answer: (reply: FastifyReply) => unknown, status: number, retryAfter: string | undefined]> = [
    [reply => reply.code(429).header('retry-after', '7').send({ error: { message: 'a secret' } }), 429, '7'],
    [reply => reply.code(401).send('a secret'), 502, undefined],
    [reply => reply.type('text/html').send('a secret'), 502, undefined]
  ]
  for (const [answer, status, retryAfter] of rows) {
    const answered = await call(await scene(t, answer)).answer()
    t.equal(answered.status, status)
    t.equal(answered.headers['retry-after'], retryAfter)
    t.notMatch(answered.body, /secret/)
  }
})

t.test('and has a stream where there is one', async t => {
  const chunk = (delta: object, finish: string | null): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const url = await scene(t, reply => reply.type('text/event-stream').send(`${chunk({ content: 'Hel' }, null)}${chunk({ content: 'lo' }, null)}${chunk({}, 'stop')}data: [DONE]\n\n`))
  const { status, body } = await call(url).answer()
  t.equal(status, 200)
  t.strictSame(decode(body).events.map(({ data }) => JSON.parse(data).text ?? JSON.parse(data).reason), ['Hel', 'lo', 'stop'])
})
