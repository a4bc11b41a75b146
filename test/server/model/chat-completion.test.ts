import t from 'tap'
import { completion, completionChunks, countPromptTokens, MODEL } from '../../../server/model/chat-completion.ts'
import type { GenerationPart } from '../../../server/model/generation.ts'

async function * generation (...parts: GenerationPart[]): AsyncGenerator<GenerationPart> {
  yield * parts
}

const HELLO: GenerationPart[] = [{ text: 'Hel' }, { text: 'lo' }]
const messages = [{ role: 'user', content: 'hello' }]

async function list<T> (items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** The chunks of a completion, split into their common fields and the rest. */
async function stream (request: object, ...parts: GenerationPart[]): Promise<{ heads: object[], bodies: unknown[] }> {
  const all = await list(completionChunks(generation(...parts), { messages, ...request }, 5))
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

t.test('the chunks are the role, the tokens, the finish reason and [DONE]', async t => {
  const { bodies } = await stream({}, ...HELLO, { finish: 'length' })
  t.strictSame(bodies, [
    { choices: [[{ role: 'assistant', content: '' }, null]] },
    { choices: [[{ content: 'Hel' }, null]] },
    { choices: [[{ content: 'lo' }, null]] },
    { choices: [[{}, 'length']] },
    '[DONE]'
  ])
})

t.test('requested usage is null until the last chunk', async t => {
  const { bodies } = await stream({ stream_options: { include_usage: true } }, ...HELLO, { finish: 'stop' })
  t.strictSame(bodies.slice(-3), [
    { choices: [[{}, 'stop']], usage: null },
    { choices: [], usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 } },
    '[DONE]'
  ])
  t.strictSame(bodies[0], { choices: [[{ role: 'assistant', content: '' }, null]], usage: null })
})

t.test('all chunks of a completion have the same id, and no other completion has it', async t => {
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

t.test('a generation that is cut short has no finish reason', async t => {
  t.strictSame((await stream({ stream_options: { include_usage: true } }, ...HELLO)).bodies.at(-1), { choices: [[{ content: 'lo' }, null]], usage: null })
  t.match(await completion(generation(...HELLO), { messages }, 5), { choices: [{ message: { content: 'Hello' }, finish_reason: null }] })
})

t.test('a completion in one piece has the message, the finish reason and the usage', async t => {
  t.match(await completion(generation(...HELLO, { finish: 'stop' }), { messages }, 5), {
    id: /^chatcmpl-/,
    object: 'chat.completion',
    model: MODEL,
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello', refusal: null }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 }
  })
})

t.test('counting the tokens of a request stops above the limit', async t => {
  t.equal(countPromptTokens([...messages, { role: 'assistant', content: null }], 100), 9)
  t.equal(countPromptTokens([{ role: 'user', content: [{ text: 'one' }, { text: ' two' }] }], 100), 6)
  const many = Array.from({ length: 1_000 }, () => messages[0]!)
  t.equal(countPromptTokens(many, 5_000), 5_000)
  t.equal(countPromptTokens(many, 12), 15, 'more than 12')
})
