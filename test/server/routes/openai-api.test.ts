import t from 'tap'
import { openAIApi } from '../../../server/routes/openai-api.ts'
import { build } from '../../fixtures/app.ts'
import { decode } from '../../fixtures/client.ts'
import { finishReasonOf, post, SERVER, serveOpenAIApi, textOf, user, type Messages } from '../../fixtures/openai-api.ts'

async function list<T> (items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

t.test('OpenAI\'s client gets an answer token by token', async t => {
  const { openai } = await serveOpenAIApi(t)
  const chunks = await list(await openai.chat.completions.create({ model: 'any-name', messages: user('count to 3'), stream: true, stream_options: { include_usage: true } }))
  t.strictSame(chunks.map(({ choices: [choice] }) => choice && choice.delta.content), ['', '1', ',', ' 2', ',', ' 3', '.', undefined, undefined])
  t.equal(finishReasonOf(chunks), 'stop')
  t.match(chunks.at(-1), { choices: [], usage: { prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 } })
  t.strictSame(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size, 1)
  t.equal(chunks[0]!.model, 'any-name')
})

t.test('OpenAI\'s client gets an answer in one piece', async t => {
  const { openai } = await serveOpenAIApi(t)
  const { choices: [choice], usage, object } = await openai.chat.completions.create({ model: 'any', messages: [{ role: 'user', content: [{ type: 'text', text: 'count ' }, { type: 'text', text: 'to 3' }] }] })
  t.match(choice, { message: { role: 'assistant', content: '1, 2, 3.' }, finish_reason: 'stop' })
  t.strictSame(usage, { prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 })
  t.equal(object, 'chat.completion')
})

t.test('OpenAI\'s client gets the list of models', async t => {
  const { openai } = await serveOpenAIApi(t)
  t.match(await list(openai.models.list()), [{ id: 'embedded', object: 'model', owned_by: 'fastify-sse-emitter' }])
})

t.test('every line on the wire starts with "data: ", and the last event is [DONE]', async t => {
  const { url } = await serveOpenAIApi(t)
  const { status, headers, body } = await post(url, { messages: user('markdown'), stream: true }).readAll()
  t.equal(status, 200)
  t.equal(headers['content-type'], 'text/event-stream; charset=utf-8')
  const { events, comments } = decode(body)
  t.strictSame(comments, [])
  t.ok(events.every(({ event, id }) => event === undefined && id === undefined))
  t.equal(events.at(-1)!.data, '[DONE]')
  const naive = body.split('\n\n')
  t.equal(naive.pop(), '')
  t.ok(naive.every(part => part.startsWith('data: ')))
  t.strictSame(naive.map(part => part.slice('data: '.length)), events.map(({ data }) => data))
})

t.test('the answer depends on the conversation and the seed only', async t => {
  const { openai } = await serveOpenAIApi(t)
  const ask = async (messages: Messages, seed?: number): Promise<string | null> => {
    const { choices } = await openai.chat.completions.create({ model: 'any', messages, ...seed !== undefined && { seed } })
    return choices[0]!.message.content
  }
  const question = user('what do you think of the sea at night?')
  const answer = await ask(question)
  t.equal(await ask(question), answer)
  t.equal(await ask(question, 0), answer)
  t.equal(textOf(await list(await openai.chat.completions.create({ model: 'other', messages: question, stream: true }))), answer)
  t.not(await ask(question, 1), answer)
  t.not(await ask([{ role: 'system', content: 'be short' }, ...question]), answer)
})

t.test('it remembers the conversation', async t => {
  const { openai } = await serveOpenAIApi(t)
  const { choices } = await openai.chat.completions.create({ model: 'any', messages: [...user('my name is Anna'), { role: 'assistant', content: 'Hello, Anna!' }, ...user('what is my name?')] })
  t.match(choices[0]!.message.content, /Anna/)
})

t.test('an answer ends at the limit of the request or of the model', async t => {
  const { openai } = await serveOpenAIApi(t)
  for (const limit of [{ max_tokens: 2 }, { max_completion_tokens: 2 }, { max_completion_tokens: 2, max_tokens: 5 }]) {
    const chunks = await list(await openai.chat.completions.create({ model: 'any', messages: user('count to 3'), stream: true, ...limit }))
    t.equal(textOf(chunks), '1,')
    t.equal(finishReasonOf(chunks), 'length')
  }
  const { choices, usage } = await openai.chat.completions.create({ model: 'any', messages: user(`repeat ${'a '.repeat(25_000)}`), max_tokens: 1_000_000 })
  t.equal(choices[0]!.finish_reason, 'length')
  t.equal(usage!.completion_tokens, 20_000)
})

t.test('a long story is streamed completely', async t => {
  const { openai } = await serveOpenAIApi(t)
  const chunks = await list(await openai.chat.completions.create({ model: 'any', messages: user('write a novel'), stream: true }))
  t.ok(chunks.length > 4_000, `${chunks.length} chunks`)
  t.match(textOf(chunks), /\*The end\.\*$/)
  t.equal(finishReasonOf(chunks), 'stop')
})

t.test('by default, tokens are delayed', async t => {
  const { app, listen } = await build(t, {}, SERVER)
  app.register(openAIApi)
  const url = await listen()
  const start = performance.now()
  await post(url, { messages: user('say one two three') }).readAll()
  const passed = performance.now() - start
  t.ok(passed >= 200 + 3 * 15 - 5, `${passed} ms`)
})

t.test('unknown fields are ignored, and null means unset', async t => {
  const { url } = await serveOpenAIApi(t)
  const messages: Messages = [{ role: 'developer', content: 'x' }, { role: 'assistant', content: null }, { role: 'assistant' }, { role: 'tool', content: 'x', tool_call_id: '1' }, { role: 'user', content: 'count to 2', name: 'me' }]
  const { status, body } = await post(url, { messages, model: null, stream: null, stream_options: null, max_tokens: null, seed: null, temperature: null, top_p: 0.5, tools: [], user: 'me' }).readAll()
  t.equal(status, 200)
  t.match(JSON.parse(body), { model: 'embedded', choices: [{ message: { content: '1, 2.' } }] })
})

t.test('the end of each generation is logged', async t => {
  const { openai, logs } = await serveOpenAIApi(t)
  await openai.chat.completions.create({ model: 'any', messages: user('count to 2') })
  await openai.chat.completions.create({ model: 'any', messages: user('count to 2'), max_tokens: 1 })
  t.match(logs.filter(({ msg }) => msg === 'generation ended'), [{ tokens: 4, finish: 'stop' }, { tokens: 1, finish: 'length' }])
})

t.test('a client that accepts only JSON receives a stream', async t => {
  const { url } = await serveOpenAIApi(t)
  const { status, body } = await post(url, { messages: user('x'), stream: true }, { accept: 'application/json' }).readAll()
  t.equal(status, 200)
  t.equal(decode(body).events.at(-1)!.data, '[DONE]')
})
