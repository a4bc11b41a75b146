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
  for (const [reason, expected] of [['length', 'length'], ['tool_calls', 'tool-calls'], ['constructor', 'other']] as const) {
    t.strictSame(readEvents(ollamaChat, { done: true, done_reason: reason }).deltas, [finish(expected)], String(reason))
  }
  t.strictSame(readEvents(ollamaChat, { done: true, done_reason: 'stop', eval_count: 2 }).deltas, [finish('stop', { inputTokens: 0, outputTokens: 2, totalTokens: 2 })], 'the input count is missing if the prompt was cached')
  t.end()
})

t.test('tool calls are read whole', t => {
  const { deltas } = readEvents(ollamaChat,
    { message: { content: '', tool_calls: [{ id: 'a', function: { name: 'add', arguments: { x: 1 } } }, { function: { name: 'add', arguments: {} } }] }, done: false },
    { message: { content: '', tool_calls: [{ function: { name: 'now' } }, {}, null, { function: null }] }, done: false },
    { done: true, done_reason: 'stop' })
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '{"x":1}' },
    { type: 'tool-call', index: 1, id: undefined, name: 'add', arguments: '{}' },
    { type: 'tool-call', index: 2, id: undefined, name: 'now', arguments: '' },
    { type: 'tool-call', index: 2, id: undefined, name: undefined, arguments: '{}' },
    finish('tool-calls')
  ])
  t.end()
})

t.test('arguments may be text, and every line may hold content', t => {
  const call = (args: unknown): object => ({ function: { name: 'add', arguments: args } })
  const { deltas } = readEvents(ollamaChat,
    { message: { content: 'a', tool_calls: [call('{"x":1}')] }, done: false },
    { message: { content: 'b', thinking: 'hm', tool_calls: [call({ x: 2 }), call(null)] }, done: true, done_reason: 'stop' })
  t.strictSame(deltas.map(delta => delta.type === 'tool-call' ? delta.arguments : delta.type === 'finish' ? delta.reason : delta.text), ['a', '{"x":1}', 'hm', 'b', '{"x":2}', '', '{}', 'tool-calls'])
  t.end()
})

t.test('values of an unusual type are read, and characters divided between lines are joined', t => {
  const { deltas } = readEvents(ollamaChat,
    ...[6, '\ud83d', '\ude00'].map(content => ({ message: { content }, done: false })),
    { message: { thinking: 6, tool_calls: [{ id: 7, function: { name: 'add', arguments: 5 } }] }, done: true, done_reason: 'stop' })
  t.strictSame(deltas, [{ type: 'text', text: '6' }, { type: 'text', text: '😀' }, { type: 'reasoning', text: '6' }, { type: 'tool-call', index: 0, id: '7', name: 'add', arguments: '5' }, finish('tool-calls')])
  t.end()
})

t.test('a failure is recognized in every shape', t => {
  const failures: Array<[line: unknown, code: string]> = [
    [{ error: 'an error was encountered while running the model' }, 'upstream_failed'],
    [{ error: { message: 'boom' } }, 'upstream_failed'],
    [{ error: 'model "m" not found, try pulling it first' }, 'upstream_not_found'],
    [{ StatusCode: 429, Status: '429 Too Many Requests', error: 'slow' }, 'upstream_rate_limit'],
    [[{ error: { code: 429 } }], 'upstream_rate_limit'],
    [{ detail: 'Unauthorized' }, 'upstream_auth'],
    [{ message: 'prompt too long; exceeded max context length by 5 tokens' }, 'prompt_too_long'],
    [{ message: { content: '' }, error: 'boom' }, 'upstream_failed'],
    [{ done: true, done_reason: 'error' }, 'upstream_failed'],
    [{ message: { content: '' }, done: true, done_reason: 'abort' }, 'upstream_failed'],
    [{ done: true, done_reason: 'timeout' }, 'upstream_failed']
  ]
  for (const [line, code] of failures) {
    t.throws(() => readEvents(ollamaChat, { message: { content: 'Hi' }, done: false }, line), { code }, JSON.stringify(line))
    t.throws(() => readWholeAnswer(ollamaChat, line), { code }, JSON.stringify(line))
  }
  t.end()
})

t.test('an empty answer without a reason, or after loading a model, is truncated', t => {
  for (const reason of ['load', 'unload', undefined, null, '']) {
    const line = { message: { role: 'assistant', content: '' }, done: true, done_reason: reason }
    t.throws(() => readEvents(ollamaChat, line), { code: 'truncated', retryable: true }, String(reason))
    t.strictSame(readEvents(ollamaChat, { message: { content: 'Hi' } }, line).deltas.at(-1), finish('other'), 'after an answer')
  }
  t.end()
})

t.test('a line without content does not end the answer', t => {
  const oddities = ['[DONE]', {}, { message: null }, { message: {} }, { message: { content: null, thinking: null, tool_calls: null } }, { error: null, done: false }, { done: null }, { status: 'loading model' }]
  for (const oddity of oddities) {
    t.strictSame(readEvents(ollamaChat, oddity, { message: { content: 'Hi' } }, oddity, { done: true, done_reason: 'stop' }).deltas, [{ type: 'text', text: 'Hi' }, finish('stop')], JSON.stringify(oddity))
  }
  t.end()
})

t.test('malformed data throws', t => {
  for (const malformed of ['{', '5', { message: { tool_calls: 5 } }]) t.throws(() => readEvents(ollamaChat, malformed), { code: 'bad_chunk' })
  t.end()
})

t.test('an answer that was not streamed is read', t => {
  t.strictSame(readWholeAnswer(ollamaChat, { message: { content: 'Hi' }, done: true, done_reason: 'stop' }), { deltas: [{ type: 'text', text: 'Hi' }, finish('stop')], ended: true })
  t.end()
})
