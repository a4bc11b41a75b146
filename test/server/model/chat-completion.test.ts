import t from 'tap'
import { chunks, countPrompt, MODEL, whole } from '../../../server/model/chat-completion.ts'
import type { Piece } from '../../../server/model/generation.ts'

async function * say (...pieces: Piece[]): AsyncGenerator<Piece> {
  yield * pieces
}

const HELLO: Piece[] = [{ text: 'Hel' }, { text: 'lo' }]
const messages = [{ role: 'user', content: 'hello' }]

async function list<T> (items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** What chunks have in common, and what they do not. */
async function stream (request: object, ...pieces: Piece[]): Promise<{ heads: object[], bodies: unknown[] }> {
  const all = await list(chunks(say(...pieces), { messages, ...request }, 5))
  const objects = all.filter(chunk => typeof chunk === 'object') as Array<{ choices: Array<{ delta: object, finish_reason: string | null }>, usage?: object }>
  return {
    heads: objects.map(({ choices, usage, ...head }) => head),
    bodies: all.map(chunk => {
      if (typeof chunk === 'string') return chunk
      const { choices, usage } = chunk as { choices: Array<{ delta: object, finish_reason: string | null }>, usage?: object | null }
      return { choices: choices.map(({ delta, finish_reason: finish }) => [delta, finish]), ...usage !== undefined && { usage } }
    })
  }
}

t.test('chunks are the role, the tokens, the reason, and the end', async t => {
  const { bodies } = await stream({}, ...HELLO, { finish: 'length' })
  t.strictSame(bodies, [
    { choices: [[{ role: 'assistant', content: '' }, null]] },
    { choices: [[{ content: 'Hel' }, null]] },
    { choices: [[{ content: 'lo' }, null]] },
    { choices: [[{}, 'length']] },
    '[DONE]'
  ])
})

t.test('usage comes before the end, where it was asked for, and is null before', async t => {
  const { bodies } = await stream({ stream_options: { include_usage: true } }, ...HELLO, { finish: 'stop' })
  t.strictSame(bodies.slice(-3), [
    { choices: [[{}, 'stop']], usage: null },
    { choices: [], usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 } },
    '[DONE]'
  ])
  t.strictSame(bodies[0], { choices: [[{ role: 'assistant', content: '' }, null]], usage: null })
})

t.test('all chunks of an answer have one head, and another answer has another id', async t => {
  const before = Math.floor(Date.now() / 1_000)
  const { heads } = await stream({ model: 'any', stream_options: { include_usage: true } }, ...HELLO, { finish: 'stop' })
  t.equal(heads.length, 5)
  for (const head of heads) t.strictSame(head, heads[0])
  const { created, ...head } = heads[0] as { created: number }
  t.match(head, { id: /^chatcmpl-/, object: 'chat.completion.chunk', model: 'any', system_fingerprint: /^fp_/ })
  t.ok(Number.isInteger(created) && created >= before && created <= Date.now() / 1_000)
  const others = await stream({ model: null })
  t.match(others.heads[0], { model: MODEL })
  t.not((others.heads[0] as { id: string }).id, (heads[0] as { id: string }).id)
})

t.test('an answer that breaks off has no end', async t => {
  t.strictSame((await stream({ stream_options: { include_usage: true } }, ...HELLO)).bodies.at(-1), { choices: [[{ content: 'lo' }, null]], usage: null })
  t.match(await whole(say(...HELLO), { messages }, 5), { choices: [{ message: { content: 'Hello' }, finish_reason: null }] })
})

t.test('an answer in one piece has it all', async t => {
  t.match(await whole(say(...HELLO, { finish: 'stop' }), { messages }, 5), {
    id: /^chatcmpl-/,
    object: 'chat.completion',
    model: MODEL,
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello', refusal: null }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }
  })
})

t.test('the tokens of a request are counted, and no further than somebody cares', async t => {
  t.equal(countPrompt([...messages, { role: 'assistant', content: null }], 100), 9)
  t.equal(countPrompt([{ role: 'user', content: [{ text: 'one' }, { text: ' two' }] }], 100), 6)
  const many = Array.from({ length: 1_000 }, () => messages[0]!)
  t.equal(countPrompt(many, 5_000), 5_000)
  t.equal(countPrompt(many, 12), 15, 'more than 12')
})
