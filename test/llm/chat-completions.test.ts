import t from 'tap'
import { chatCompletions } from '../../plugin/llm/chat-completions.ts'
import { readAll, readOne } from '../fixtures/protocol.ts'

const chunk = (delta: object | null, reason: string | null = null, index = 0): object => ({ object: 'chat.completion.chunk', choices: [{ index, delta, finish_reason: reason }], usage: null })
const finish = (reason: string, usage?: object): object => ({ type: 'finish', reason, usage })
const more = { id: undefined, name: undefined }

t.test('a stream is asked for, with its usage unless the body says otherwise', t => {
  t.strictSame(chatCompletions.streaming({ model: 'm', stream: false }), { model: 'm', stream: true, stream_options: { include_usage: true } })
  t.strictSame(chatCompletions.streaming({ stream_options: { include_usage: false, include_obfuscation: false } }), { stream: true, stream_options: { include_usage: false, include_obfuscation: false } })
  t.strictSame(chatCompletions.streaming({ stream_options: null }), { stream: true, stream_options: { include_usage: true } })
  t.end()
})

t.test('it says text, and why it stops, and what it took', t => {
  const { deltas, over } = readAll(chatCompletions,
    chunk({ role: 'assistant', content: '' }), chunk({ content: 'Hi' }), chunk({ content: ' there' }), chunk({}, 'stop'),
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }, '[DONE]')
  t.strictSame(deltas, [{ type: 'text', text: 'Hi' }, { type: 'text', text: ' there' }, finish('stop', { inputTokens: 3, outputTokens: 2, totalTokens: 5 })])
  t.ok(over)
  t.end()
})

t.test('it is not over before it says so', t => {
  const { deltas, over } = readAll(chatCompletions, chunk({ content: 'Hi' }, 'stop'))
  t.strictSame(deltas, [{ type: 'text', text: 'Hi' }])
  t.notOk(over)
  t.end()
})

t.test('every reason has a word', t => {
  for (const [said, meant] of [['stop', 'stop'], ['length', 'length'], ['model_length', 'length'], ['tool_calls', 'tool-calls'], ['function_call', 'tool-calls'], ['content_filter', 'content-filter'], ['eos', 'other'], ['constructor', 'other']] as const) {
    t.strictSame(readAll(chatCompletions, chunk({}, said), '[DONE]').deltas, [finish(meant)], said)
  }
  t.strictSame(readAll(chatCompletions, chunk({ content: 'x' }), '[DONE]').deltas.at(-1), finish('other'), 'and so has none')
  t.end()
})

t.test('a content may be a list of what was thought and what is said', t => {
  const thinking = (...texts: string[]): object => ({ type: 'thinking', thinking: texts.map(text => ({ type: 'text', text })) })
  const { deltas } = readAll(chatCompletions,
    chunk({ content: [thinking('Hm', ', well.')] }), chunk({ content: [thinking('So.'), { type: 'text', text: 'Hi' }, null, { type: 'reference', reference_ids: [1] }] }),
    chunk({ content: ' there' }), chunk({ content: [{ type: 'thinking', thinking: null }, { type: 'thinking', thinking: [null] }] }, 'stop'), '[DONE]')
  t.strictSame(deltas, [
    { type: 'reasoning', text: 'Hm' }, { type: 'reasoning', text: ', well.' }, { type: 'reasoning', text: 'So.' },
    { type: 'text', text: 'Hi' }, { type: 'text', text: ' there' }, finish('stop', undefined)
  ])
  t.end()
})

t.test('calls of tools come in pieces', t => {
  const call = (index: number | undefined, args: string, begin: object = {}, name?: string): object => chunk({ tool_calls: [{ index, ...begin, function: { name, arguments: args } }] })
  const { deltas } = readAll(chatCompletions, call(0, '', { id: 'a', type: 'function' }, 'add'), call(0, '{"x"'), call(0, ':1}'), call(1, '{}', { id: 'b' }, 'sub'), chunk({}, 'tool_calls'), '[DONE]')
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, ...more, arguments: '{"x"' },
    { type: 'tool-call', index: 0, ...more, arguments: ':1}' },
    { type: 'tool-call', index: 1, id: 'b', name: 'sub', arguments: '{}' },
    finish('tool-calls')
  ])
  const [first, second] = readAll(chatCompletions, chunk({ tool_calls: [{ id: 'a' }, { id: 'b' }] })).deltas
  t.match([first, second], [{ index: 0, id: 'a', arguments: '' }, { index: 1, id: 'b' }], 'or without an index')
  t.end()
})

t.test('the call of before there were tools is one', t => {
  const { deltas } = readAll(chatCompletions, chunk({ function_call: { name: 'add', arguments: '' } }), chunk({ function_call: { arguments: '{}' } }), chunk({}, 'function_call'), '[DONE]')
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: undefined, name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, ...more, arguments: '{}' },
    finish('tool-calls')
  ])
  t.end()
})

t.test('it thinks and refuses, in the words of several servers', t => {
  t.strictSame(readAll(chatCompletions, chunk({ reasoning_content: 'a' }), chunk({ reasoning: 'b' }), chunk({ content: null, refusal: 'No.' })).deltas,
    [{ type: 'reasoning', text: 'a' }, { type: 'reasoning', text: 'b' }, { type: 'refusal', text: 'No.' }])
  t.end()
})

t.test('of several choices the first counts, wherever it is', t => {
  const [other, first] = [{ index: 1, delta: { content: 'b' } }, { index: 0, delta: { content: 'a' } }]
  t.strictSame(readAll(chatCompletions, { choices: [other, first] }, { choices: [other] }).deltas, [{ type: 'text', text: 'a' }])
  const message = (content: string, index: number): object => ({ index, message: { content }, finish_reason: 'stop' })
  t.match(readOne(chatCompletions, { choices: [message('b', 1), message('a', 0)] }).deltas, [{ text: 'a' }, { reason: 'stop' }])
  t.throws(() => readOne(chatCompletions, { choices: [message('b', 1)] }), { code: 'bad_chunk' })
  t.end()
})

t.test('its last word may have space around it', t => {
  for (const last of ['[DONE]', '[DONE] ', ' [DONE]\t']) t.ok(readAll(chatCompletions, chunk({}, 'stop'), last).over, JSON.stringify(last))
  t.end()
})

t.test('what says nothing is passed over', t => {
  for (const nothing of [{}, { choices: [] }, { choices: null }, chunk(null), chunk({ role: 'assistant', content: null, tool_calls: null, function_call: null }), chunk({ content: 'the second choice' }, 'stop', 1), { choices: [{ delta: {} }] }]) {
    t.strictSame(readAll(chatCompletions, nothing), { deltas: [], over: false }, JSON.stringify(nothing))
  }
  t.end()
})

t.test('an error is one, whatever comes after it', t => {
  t.throws(() => readAll(chatCompletions, chunk({ content: 'x' }), { error: { message: 'boom', code: 500 } }, '[DONE]'), { code: 'upstream_failed' })
  t.throws(() => readAll(chatCompletions, { error: 'boom' }), { code: 'upstream_failed' })
  t.throws(() => readAll(chatCompletions, { error: { code: 502 }, choices: [{ delta: { content: '' }, finish_reason: 'error' }] }), { code: 'upstream_failed' })
  t.throws(() => readAll(chatCompletions, chunk({ content: '' }, 'error')), { code: 'upstream_failed' }, 'also one without words')
  t.strictSame(readAll(chatCompletions, { error: null, ...chunk({ content: 'x' }) }).deltas, [{ type: 'text', text: 'x' }], 'null is none')
  t.end()
})

t.test('what cannot be understood is not passed over', t => {
  for (const odd of ['{', 'null', '7', chunk({ content: 5 }), chunk({ tool_calls: 5 }), chunk({ tool_calls: [null] })]) {
    t.throws(() => readAll(chatCompletions, odd), JSON.stringify(odd))
  }
  t.end()
})

t.test('an answer in one piece is one', t => {
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
  t.strictSame(readOne(chatCompletions, { choices: [{ index: 0, message: { role: 'assistant', content: 'Hi', refusal: null }, finish_reason: 'stop' }], usage }),
    { deltas: [{ type: 'text', text: 'Hi' }, finish('stop', { inputTokens: 3, outputTokens: 2, totalTokens: 5 })], over: true })
  t.strictSame(readOne(chatCompletions, { choices: [{ message: { content: 'Hi' }, finish_reason: null }] }).deltas.at(-1), finish('other'), 'also where it does not say why it stopped')
  t.throws(() => readOne(chatCompletions, { error: { message: 'no' } }), { code: 'upstream_failed' })
  for (const odd of [{}, { choices: [] }, { choices: [{}] }, { choices: [{ message: null }] }]) t.throws(() => readOne(chatCompletions, odd), { code: 'bad_chunk' })
  t.end()
})
