import t from 'tap'
import { ollamaChat } from '../../../plugin/llm/protocols/ollama-chat.ts'
import { readEvents, readWholeAnswer } from '../../fixtures/read-protocol.ts'

const finish = (reason: string, usage?: object): object => ({ type: 'finish', reason, usage })

t.test('the body requests a stream', t => {
  t.strictSame(ollamaChat.streamingBody({ model: 'm', stream: false }), { model: 'm', stream: true })
  t.strictSame(ollamaChat.authHeaders('k'), { authorization: 'Bearer k' })
  t.end()
})

t.test('reasoning, text and usage are read', t => {
  const { deltas, ended } = readEvents(ollamaChat,
    { message: { role: 'assistant', content: '', thinking: 'hm' }, done: false },
    { message: { role: 'assistant', content: 'Hi' }, done: false },
    { message: { role: 'assistant', content: '' }, done: true, done_reason: 'stop', prompt_eval_count: 3, eval_count: 2 })
  t.strictSame(deltas, [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'Hi' }, finish('stop', { inputTokens: 3, outputTokens: 2, totalTokens: 5 })])
  t.ok(ended)
  t.notOk(readEvents(ollamaChat, { message: { content: 'Hi' }, done: false }).ended)
  t.end()
})

t.test('every finish reason is mapped', t => {
  for (const [reason, expected] of [['length', 'length'], ['unload', 'other'], ['constructor', 'other'], [undefined, 'other']] as const) {
    t.strictSame(readEvents(ollamaChat, { done: true, done_reason: reason }).deltas, [finish(expected)], String(reason))
  }
  t.strictSame(readEvents(ollamaChat, { done: true, done_reason: 'stop', eval_count: 2 }).deltas, [finish('stop', { inputTokens: 0, outputTokens: 2, totalTokens: 2 })], 'the input count is missing if the prompt was cached')
  t.end()
})

t.test('tool calls are read whole', t => {
  const { deltas } = readEvents(ollamaChat,
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

t.test('errors and malformed data throw', t => {
  t.throws(() => readEvents(ollamaChat, { error: 'an error was encountered while running the model' }), { code: 'upstream_failed' })
  for (const malformed of ['{', '5', { message: { content: 5 } }]) t.throws(() => readEvents(ollamaChat, malformed), { code: 'bad_chunk' })
  t.end()
})

t.test('an answer that was not streamed is read', t => {
  t.strictSame(readWholeAnswer(ollamaChat, { message: { content: 'Hi' }, done: true, done_reason: 'stop' }), { deltas: [{ type: 'text', text: 'Hi' }, finish('stop')], ended: true })
  t.end()
})
