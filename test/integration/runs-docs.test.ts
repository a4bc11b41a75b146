import t, { type Test } from 'tap'
import { build, type TestApp } from '../fixtures/app.ts'
import { decode } from '../fixtures/client.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'
import { until } from '../fixtures/until.ts'

interface Answer { id: string, state: string, text?: string, usage?: object }

/** Starts an application with the examples that store answers and serve them. Each item of the model is a delta. */
async function start (t: Test, answers: Map<string, Answer>, model: (signal: AbortSignal) => AsyncIterable<object>): Promise<TestApp> {
  const testApp = await build(t)
  const database = { save: async (answer: Answer) => { answers.set(answer.id, answer) }, answer: async (id: string) => answers.get(id) }
  const modules = { 'fastify-sse-emitter/llm': { streamChatCompletions: (_body: object, { signal }: { signal: AbortSignal }) => model(signal) } }
  for (const heading of ['Store the result', 'Serve the stored answer']) {
    await runBlock(blocksOf('docs/runs.md', heading)[0]!, { app: testApp.app, database }, modules)
  }
  return testApp
}

async function ask ({ app }: TestApp, id: string): Promise<void> {
  const { statusCode } = await app.inject({ method: 'POST', url: `/answers/${id}`, payload: { question: 'Hi' } })
  t.equal(statusCode, 202)
}

const usage = { inputTokens: 3, outputTokens: 5, totalTokens: 8 }

async function * hello (): AsyncGenerator<object> {
  yield { type: 'text', text: 'Hel' }
  yield { type: 'reasoning', text: 'hm' }
  yield { type: 'text', text: 'lo' }
  yield { type: 'finish', reason: 'stop', usage }
}

t.test('an answer is stored with its text and usage, and served after its run is gone', async t => {
  const answers = new Map<string, Answer>()
  const first = await start(t, answers, hello)
  await ask(first, 'a')
  await until(() => answers.get('a')?.state === 'done', 'the answer is stored')
  const stored = { id: 'a', state: 'done', text: 'Hello', usage }
  t.strictSame(answers.get('a'), stored)
  await ask(first, 'a')
  t.strictSame(answers.get('a'), stored, 'a repeated request does not store it again')
  const watched = decode((await first.app.inject('/answers/a')).body).events
  t.strictSame(watched.map(({ event }) => event), ['sse-ready', 'delta', 'delta', 'done'])

  const { app } = await start(t, answers, hello)
  const { events } = decode((await app.inject('/answers/a')).body)
  t.strictSame(events, [{ event: 'stored', data: JSON.stringify(stored), id: 'sse-end' }])
  t.equal((await app.inject({ url: '/answers/a', headers: { 'last-event-id': 'sse-end' } })).statusCode, 204)
  t.equal((await app.inject('/answers/b')).statusCode, 404)
})

t.test('a stopped answer is stored with its text so far, and an answer whose process died as running', async t => {
  const answers = new Map<string, Answer>()
  const testApp = await start(t, answers, async function * (signal) {
    yield { type: 'text', text: 'Hel' }
    await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => reject(signal.reason)) })
  })
  await ask(testApp, 'a')
  await until(() => testApp.app.sse.runs.list()[0]?.events === 1, 'a delta is published')
  t.strictSame(answers.get('a'), { id: 'a', state: 'running' })
  const other = await start(t, answers, hello)
  t.match(decode((await other.app.inject('/answers/a')).body).events, [{ event: 'stored', data: '{"id":"a","state":"running"}' }])
  await testApp.app.sse.runs.cancel('a')
  await until(() => answers.get('a')?.state === 'aborted', 'the answer is stored')
  t.strictSame(answers.get('a'), { id: 'a', state: 'aborted', text: 'Hel', usage: undefined })
})
