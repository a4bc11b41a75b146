import t from 'tap'
import { openaiChatCompletions } from '../../../plugin/llm/protocols/openai-chat-completions.ts'
import { readEvents, readWholeAnswer } from '../../fixtures/read-protocol.ts'

const chunk = (delta: object | null, reason: string | null = null, index = 0): object => ({ object: 'chat.completion.chunk', choices: [{ index, delta, finish_reason: reason }], usage: null })
const finish = (reason: string, usage?: object): object => ({ type: 'finish', reason, usage })
const unnamed = { id: undefined, name: undefined }

t.test('the body requests a stream with usage, unless it sets stream_options itself', t => {
  t.strictSame(openaiChatCompletions.streamingBody({ model: 'm', stream: false }), { model: 'm', stream: true, stream_options: { include_usage: true } })
  t.strictSame(openaiChatCompletions.streamingBody({ stream_options: { include_usage: false, include_obfuscation: false } }), { stream: true, stream_options: { include_usage: false, include_obfuscation: false } })
  t.strictSame(openaiChatCompletions.streamingBody({ stream_options: null }), { stream: true }, 'for servers that refuse it')
  t.end()
})

t.test('text, finish reason and usage are read', t => {
  const { deltas, ended } = readEvents(openaiChatCompletions,
    chunk({ role: 'assistant', content: '' }), chunk({ content: 'Hi' }), chunk({ content: ' there' }), chunk({}, 'stop'),
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }, '[DONE]')
  t.strictSame(deltas, [{ type: 'text', text: 'Hi' }, { type: 'text', text: ' there' }, finish('stop', { inputTokens: 3, outputTokens: 2, totalTokens: 5 })])
  t.ok(ended)
  t.end()
})

t.test('the answer has not ended before [DONE]', t => {
  const { deltas, ended } = readEvents(openaiChatCompletions, chunk({ content: 'Hi' }, 'stop'))
  t.strictSame(deltas, [{ type: 'text', text: 'Hi' }])
  t.notOk(ended)
  t.end()
})

t.test('every finish reason is mapped', t => {
  for (const [reason, expected] of [['stop', 'stop'], ['length', 'length'], ['model_length', 'length'], ['tool_calls', 'tool-calls'], ['function_call', 'tool-calls'], ['content_filter', 'content-filter'], ['eos', 'other'], ['constructor', 'other']] as const) {
    t.strictSame(readEvents(openaiChatCompletions, chunk({}, reason), '[DONE]').deltas, [finish(expected)], reason)
  }
  t.strictSame(readEvents(openaiChatCompletions, chunk({ content: 'x' }), '[DONE]').deltas.at(-1), finish('other'), 'no reason')
  t.end()
})

t.test('content can be a list of thinking and text parts', t => {
  const thinking = (...texts: string[]): object => ({ type: 'thinking', thinking: texts.map(text => ({ type: 'text', text })) })
  const { deltas } = readEvents(openaiChatCompletions,
    chunk({ content: [thinking('Hm', ', well.')] }), chunk({ content: [thinking('So.'), { type: 'text', text: 'Hi' }, null, { type: 'reference', reference_ids: [1] }] }),
    chunk({ content: ' there' }), chunk({ content: [{ type: 'thinking', thinking: null }, { type: 'thinking', thinking: [null] }] }, 'stop'), '[DONE]')
  t.strictSame(deltas, [
    { type: 'reasoning', text: 'Hm' }, { type: 'reasoning', text: ', well.' }, { type: 'reasoning', text: 'So.' },
    { type: 'text', text: 'Hi' }, { type: 'text', text: ' there' }, finish('stop', undefined)
  ])
  t.end()
})

t.test('tool calls are read in fragments', t => {
  const call = (index: number | undefined, args: string, fields: object = {}, name?: string): object => chunk({ tool_calls: [{ index, ...fields, function: { name, arguments: args } }] })
  const { deltas } = readEvents(openaiChatCompletions, call(0, '', { id: 'a', type: 'function' }, 'add'), call(0, '{"x"'), call(0, ':1}'), call(1, '{}', { id: 'b' }, 'sub'), chunk({}, 'tool_calls'), '[DONE]')
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, ...unnamed, arguments: '{"x"' },
    { type: 'tool-call', index: 0, ...unnamed, arguments: ':1}' },
    { type: 'tool-call', index: 1, id: 'b', name: 'sub', arguments: '{}' },
    finish('tool-calls')
  ])
  const [first, second] = readEvents(openaiChatCompletions, chunk({ tool_calls: [{ id: 'a' }, { id: 'b' }] })).deltas
  t.match([first, second], [{ index: 0, id: 'a', arguments: '' }, { index: 1, id: 'b' }], 'without an index, the position identifies the call')
  t.end()
})

t.test('a deprecated function call is read as a tool call', t => {
  const { deltas } = readEvents(openaiChatCompletions, chunk({ function_call: { name: 'add', arguments: '' } }), chunk({ function_call: { arguments: '{}' } }), chunk({}, 'function_call'), '[DONE]')
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: undefined, name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, ...unnamed, arguments: '{}' },
    finish('tool-calls')
  ])
  t.end()
})

t.test('reasoning and refusals are read from the fields of several servers', t => {
  t.strictSame(readEvents(openaiChatCompletions, chunk({ reasoning_content: 'a' }), chunk({ reasoning: 'b' }), chunk({ content: null, refusal: 'No.' })).deltas,
    [{ type: 'reasoning', text: 'a' }, { type: 'reasoning', text: 'b' }, { type: 'refusal', text: 'No.' }])
  t.end()
})

t.test('only the first of several choices is read, wherever it is', t => {
  const [other, first] = [{ index: 1, delta: { content: 'b' } }, { index: 0, delta: { content: 'a' } }]
  t.strictSame(readEvents(openaiChatCompletions, { choices: [other, first] }, { choices: [other] }).deltas, [{ type: 'text', text: 'a' }])
  const message = (content: string, index: number): object => ({ index, message: { content }, finish_reason: 'stop' })
  t.match(readWholeAnswer(openaiChatCompletions, { choices: [message('b', 1), message('a', 0)] }).deltas, [{ text: 'a' }, { reason: 'stop' }])
  t.throws(() => readWholeAnswer(openaiChatCompletions, { choices: [message('b', 1)] }), { code: 'bad_chunk' })
  t.end()
})

t.test('[DONE] can have spaces around it', t => {
  for (const done of ['[DONE]', '[DONE] ', ' [DONE]\t']) t.ok(readEvents(openaiChatCompletions, chunk({}, 'stop'), done).ended, JSON.stringify(done))
  t.end()
})

t.test('chunks without content write nothing', t => {
  for (const empty of [{}, { choices: [] }, { choices: null }, chunk(null), chunk({ role: 'assistant', content: null, tool_calls: null, function_call: null }), chunk({ content: 'the second choice' }, 'stop', 1), { choices: [{ delta: {} }] }]) {
    t.strictSame(readEvents(openaiChatCompletions, empty), { deltas: [], ended: false }, JSON.stringify(empty))
  }
  t.end()
})

t.test('an error throws, whatever follows it', t => {
  t.throws(() => readEvents(openaiChatCompletions, chunk({ content: 'x' }), { error: { message: 'boom', code: 500 } }, '[DONE]'), { code: 'upstream_failed' })
  t.throws(() => readEvents(openaiChatCompletions, { error: 'boom' }), { code: 'upstream_failed' })
  t.throws(() => readEvents(openaiChatCompletions, { error: { code: 502 }, choices: [{ delta: { content: '' }, finish_reason: 'error' }] }), { code: 'upstream_failed' })
  t.throws(() => readEvents(openaiChatCompletions, chunk({ content: '' }, 'error')), { code: 'upstream_failed' }, 'a finish reason without an error')
  t.strictSame(readEvents(openaiChatCompletions, { error: null, ...chunk({ content: 'x' }) }).deltas, [{ type: 'text', text: 'x' }], 'null is not an error')
  t.end()
})

t.test('malformed data throws', t => {
  for (const malformed of ['{', 'null', '7', chunk({ content: { x: 5 } }), chunk({ tool_calls: 5 }), chunk({ tool_calls: [null] })]) {
    t.throws(() => readEvents(openaiChatCompletions, malformed), { code: 'bad_chunk' }, JSON.stringify(malformed))
  }
  t.end()
})

t.test('an answer that was not streamed is read', t => {
  const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
  t.strictSame(readWholeAnswer(openaiChatCompletions, { choices: [{ index: 0, message: { role: 'assistant', content: 'Hi', refusal: null }, finish_reason: 'stop' }], usage }),
    { deltas: [{ type: 'text', text: 'Hi' }, finish('stop', { inputTokens: 3, outputTokens: 2, totalTokens: 5 })], ended: true })
  t.strictSame(readWholeAnswer(openaiChatCompletions, { choices: [{ message: { content: 'Hi' }, finish_reason: null }] }).deltas.at(-1), finish('other'), 'no finish reason')
  t.throws(() => readWholeAnswer(openaiChatCompletions, { error: { message: 'no' } }), { code: 'upstream_failed' })
  for (const malformed of [{}, { choices: [] }, { choices: [{}] }, { choices: [{ message: null }] }]) t.throws(() => readWholeAnswer(openaiChatCompletions, malformed), { code: 'bad_chunk' })
  t.end()
})
