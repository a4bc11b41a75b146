import t from 'tap'
import { ollamaChat } from '../../plugin/llm/ollama-chat.ts'
import { readAll, readOne } from '../fixtures/protocol.ts'

const finish = (reason: string, usage?: object): object => ({ type: 'finish', reason, usage })

t.test('a stream is asked for', t => {
  t.strictSame(ollamaChat.streaming({ model: 'm', stream: false }), { model: 'm', stream: true })
  t.strictSame(ollamaChat.credentials('k'), { authorization: 'Bearer k' })
  t.end()
})

t.test('it thinks, says and is done', t => {
  const { deltas, over } = readAll(ollamaChat,
    { message: { role: 'assistant', content: '', thinking: 'hm' }, done: false },
    { message: { role: 'assistant', content: 'Hi' }, done: false },
    { message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', prompt_eval_count: 3, eval_count: 2 })
  t.strictSame(deltas, [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'Hi' }, finish('stop', { inputTokens: 3, outputTokens: 2, totalTokens: 5 })])
  t.ok(over)
  t.notOk(readAll(ollamaChat, { message: { content: 'Hi' }, done: false }).over)
  t.end()
})

t.test('it stops for a reason, or for none that is known', t => {
  for (const [said, meant] of [['length', 'length'], ['unload', 'other'], ['constructor', 'other'], [undefined, 'other']] as const) {
    t.strictSame(readAll(ollamaChat, { done: true, done_reason: said }).deltas, [finish(meant)], String(said))
  }
  t.strictSame(readAll(ollamaChat, { done: true, done_reason: 'stop', eval_count: 2 }).deltas, [finish('stop', { inputTokens: 0, outputTokens: 2, totalTokens: 2 })], 'having read all of it before')
  t.end()
})

t.test('calls of tools come in one piece each', t => {
  const { deltas } = readAll(ollamaChat,
    { message: { content: '', tool_calls: [{ id: 'a', function: { name: 'add', arguments: { x: 1 } } }, { function: { name: 'add', arguments: {} } }] }, done: false },
    { message: { content: '', tool_calls: [{ function: { name: 'now' } }, {}] }, done: false },
    { done: true, done_reason: 'stop' })
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '{"x":1}' },
    { type: 'tool-call', index: 1, id: undefined, name: 'add', arguments: '{}' },
    { type: 'tool-call', index: 2, id: undefined, name: 'now', arguments: '' },
    { type: 'tool-call', index: 3, id: undefined, name: undefined, arguments: '' },
    { type: 'tool-call', index: 2, id: undefined, name: undefined, arguments: '{}' },
    { type: 'tool-call', index: 3, id: undefined, name: undefined, arguments: '{}' },
    finish('tool-calls')
  ])
  t.end()
})

t.test('an error is one, and what cannot be understood is not passed over', t => {
  t.throws(() => readAll(ollamaChat, { error: 'an error was encountered while running the model' }), { code: 'upstream_failed' })
  for (const odd of ['{', '5', { message: { content: 5 } }]) t.throws(() => readAll(ollamaChat, odd), { code: 'bad_chunk' })
  t.end()
})

t.test('an answer in one piece is one', t => {
  t.strictSame(readOne(ollamaChat, { message: { content: 'Hi' }, done: true, done_reason: 'stop' }), { deltas: [{ type: 'text', text: 'Hi' }, finish('stop')], over: true })
  t.end()
})
