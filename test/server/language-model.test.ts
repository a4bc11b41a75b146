import fastify from 'fastify'
import t, { type Test } from 'tap'
import { readConfig } from '../../server/config.ts'
import { languageModel, type Message } from '../../server/language-model.ts'
import { demo } from '../fixtures/demo.ts'

const QUESTION: Message[] = [{ role: 'user', content: 'repeat: one two' }]

async function collect (answer: ReturnType<typeof languageModel>, messages = QUESTION): Promise<{ events: unknown[], result: unknown }> {
  const iterator = answer(messages, new AbortController().signal)
  const events: unknown[] = []
  for (;;) {
    const { done, value } = await iterator.next()
    if (done === true) return { events, result: value }
    events.push([value.fields.event, value.data.text])
  }
}

/** A model that answers every request with these deltas. */
async function upstream (t: Test, deltas: object[], finish = 'stop'): Promise<{ url: string, requests: Array<{ headers: Record<string, unknown>, body: unknown }> }> {
  const app = fastify()
  const requests: Array<{ headers: Record<string, unknown>, body: unknown }> = []
  app.post('/v1/chat/completions', async ({ headers, body }, reply) => {
    requests.push({ headers, body })
    reply.type('text/event-stream')
    const chunks = [...deltas.map(delta => ({ choices: [{ index: 0, delta, finish_reason: null }] })), { choices: [{ index: 0, delta: {}, finish_reason: finish }] }]
    return chunks.map(chunk => `data: ${JSON.stringify(chunk)}\n\n`).join('') + 'data: [DONE]\n\n'
  })
  t.teardown(() => app.close())
  return { url: `${await app.listen({ port: 0, host: '127.0.0.1' })}/v1`, requests }
}

t.test('the request follows the configuration', async t => {
  const { url, requests } = await upstream(t, [{ reasoning_content: 'Hm' }, { content: 'Hi' }, { refusal: 'No' }, { tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }] }], 'length')
  const answer = languageModel(fastify(), readConfig({ LLM_BASE_URL: url, LLM_API_KEY: 'secret', LLM_MODEL: 'm-1' }))
  const { events, result } = await collect(answer)
  t.strictSame(events, [['reasoning', 'Hm'], ['delta', 'Hi'], ['delta', 'No']])
  t.strictSame(result, { finishReason: 'length', usage: null })
  t.match(requests, [{ headers: { authorization: 'Bearer secret' }, body: { model: 'm-1', messages: QUESTION } }])
})

t.test('no authorization is sent without a key', async t => {
  const { url, requests } = await upstream(t, [])
  await collect(languageModel(fastify(), readConfig({ LLM_BASE_URL: url })))
  t.equal(requests[0]!.headers.authorization, undefined)
})

t.test('without a base URL, the built-in model is used on any listening address', async t => {
  for (const host of ['127.0.0.1', '0.0.0.0', '::1', '::']) {
    t.test(host, async t => {
      const { app } = await demo(t, {}, host)
      const { events } = await collect(languageModel(app, readConfig({})))
      t.equal((events as Array<[string, string]>).map(([, text]) => text).join(''), 'one two')
    })
  }
})
