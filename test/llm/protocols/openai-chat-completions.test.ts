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
  for (const [reason, expected] of [['stop', 'stop'], ['length', 'length'], ['model_length', 'length'], ['tool_calls', 'tool-calls'], ['function_call', 'tool-calls'], ['content_filter', 'content-filter'], ['eos', 'stop'], ['constructor', 'other'],
    ['STOP', 'stop'], ['Max_Tokens', 'length'], ['SAFETY', 'content-filter'], ['tool_use', 'tool-calls'], ['something_new', 'other']] as const) {
    t.strictSame(readEvents(openaiChatCompletions, chunk({}, reason), '[DONE]').deltas, [finish(expected)], reason)
  }
  t.strictSame(readEvents(openaiChatCompletions, chunk({ content: 'x' }), '[DONE]').deltas.at(-1), finish('other'), 'no reason')
  t.end()
})

t.test('content can be a list of thinking and text parts', t => {
  const thinking = (...texts: string[]): object => ({ type: 'thinking', thinking: texts.map(text => ({ type: 'text', text })) })
  const { deltas } = readEvents(openaiChatCompletions,
    chunk({ content: [thinking('Hm', ', well.')] }), chunk({ content: [thinking('So.'), { type: 'text', text: 'Hi' }, null, { type: 'reference', reference_ids: [1] }] }),
    chunk({ content: ' there' }), chunk({ content: [{ type: 'thinking', thinking: null }, { type: 'thinking', thinking: [null, '!'] }] }),
    chunk({ content: ['?', 6, { type: 'thinking', thinking: 'So' }, { type: 'refusal', refusal: 'No.' }] }), chunk({ content: { type: 'text', text: '.' } }, 'stop'), '[DONE]')
  t.strictSame(deltas, [
    { type: 'reasoning', text: 'Hm' }, { type: 'reasoning', text: ', well.' }, { type: 'reasoning', text: 'So.' },
    { type: 'text', text: 'Hi' }, { type: 'text', text: ' there' }, { type: 'reasoning', text: '!' },
    { type: 'text', text: '?' }, { type: 'text', text: '6' }, { type: 'reasoning', text: 'So' }, { type: 'refusal', text: 'No.' }, { type: 'text', text: '.' }, finish('stop', undefined)
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
    { type: 'tool-call', index: 1, id: 'b', name: 'sub', arguments: '' },
    { type: 'tool-call', index: 1, ...unnamed, arguments: '{}' },
    finish('tool-calls')
  ])
  const [first, second] = readEvents(openaiChatCompletions, chunk({ tool_calls: [{ id: 'a' }, { id: 'b' }] })).deltas
  t.match([first, second], [{ index: 0, id: 'a', arguments: '' }, { index: 1, id: 'b' }], 'without an index, the position identifies the call')
  t.end()
})

/** What tool calls a server's chunks, each a list of fragments, are read as. */
function callsOf (...chunks: unknown[]): object[] {
  const calls: Array<{ id: string | undefined, name: string | undefined, arguments: string }> = []
  for (const delta of readEvents(openaiChatCompletions, ...chunks.map(toolCalls => chunk({ tool_calls: toolCalls })), chunk({}, 'tool_calls'), '[DONE]').deltas) {
    if (delta.type !== 'tool-call') continue
    const call = calls[delta.index] ??= { id: undefined, name: undefined, arguments: '' }
    calls[delta.index] = { id: call.id ?? delta.id, name: call.name ?? delta.name, arguments: call.arguments + delta.arguments }
  }
  return calls
}

const fragment = (index: unknown, name: string | undefined, args: unknown, id?: unknown): object => ({ index, id, function: { name, arguments: args } })
const call = (name: string, args: string, id?: string): object => ({ id, name, arguments: args })

t.test('parallel calls without usable indexes and ids are distinguished', t => {
  for (const index of [0, null, undefined]) {
    t.strictSame(callsOf([fragment(index, 'f', '{"x":1}')], [fragment(index, 'g', '{}')]), [call('f', '{"x":1}'), call('g', '{}')], `another name, ${index}`)
    t.strictSame(callsOf([fragment(index, 'f', '{"x":1}')], [fragment(index, 'f', '{"x":2}')]), [call('f', '{"x":1}'), call('f', '{"x":2}')], `the same name, ${index}`)
    t.strictSame(callsOf([fragment(index, 'f', '{"x":1}'), fragment(index, 'f', '{"x":2}')]), [call('f', '{"x":1}'), call('f', '{"x":2}')], `in one chunk, ${index}`)
  }
  t.strictSame(callsOf([fragment(0, 'f', ''), fragment(0, 'f', '{}')]), [call('f', '{}'), call('f', '{}')], 'the first without arguments')
  t.strictSame(callsOf([fragment(0, 'f', '{"x"', 'a'), fragment(0, 'f', ':1}', 'a')]), [call('f', '{"x":1}', 'a')], 'a server that repeats the id and the name')
  t.strictSame(callsOf([fragment(0, 'f', '{"x"'), fragment(0, undefined, ':1}')]), [call('f', '{"x":1}')], 'two fragments in one chunk')
  t.end()
})

t.test('ids and arguments may have any type, and lists may have gaps', t => {
  t.strictSame(callsOf([null, fragment(0, 'f', { x: 1 }, 7)]), [call('f', '{"x":1}', '7')])
  t.strictSame(callsOf(fragment(0, 'f', '{}', 'a'), {}, [{}], [5]), [call('f', '{}', 'a')], 'an object instead of a list')
  t.end()
})

t.test('an empty object before the arguments, and arguments that repeat what was sent of them, are read once', t => {
  t.strictSame(callsOf([fragment(0, 'f', '{}', 'a')], [fragment(0, undefined, '{"x"')], [fragment(0, undefined, ':1}')]), [call('f', '{"x":1}', 'a')])
  t.strictSame(callsOf([fragment(0, 'f', '{"x"', 'a')], [fragment(0, 'f', '{"x":1}', 'a')]), [call('f', '{"x":1}', 'a')])
  t.end()
})

t.test('custom tools are called with text', t => {
  const custom = (fields: object): object => ({ index: 0, type: 'custom', custom: fields })
  t.strictSame(callsOf([{ ...custom({ name: 'run', input: '' }), id: 'a' }], [custom({ input: 'ls' })], [custom({ input: ' -l' })]), [call('run', 'ls -l', 'a')])
  t.strictSame(callsOf([{ ...custom({ name: 'run', input: '' }), id: 'a' }]), [call('run', '', 'a')], 'empty text is not an empty object')
  const { deltas } = readWholeAnswer(openaiChatCompletions, { choices: [{ message: { content: null, tool_calls: [{ id: 'a', ...custom({ name: 'run', input: 'ls' }) }] }, finish_reason: 'stop' }] })
  t.strictSame(deltas, [{ type: 'tool-call', index: 0, id: 'a', name: 'run', arguments: 'ls' }, finish('tool-calls')])
  t.end()
})

t.test('a message that repeats the deltas is read once', t => {
  const last = (message: object, delta?: object): object => ({ choices: [{ index: 0, delta, message, finish_reason: 'stop' }] })
  const message = { reasoning: 'Hm.', content: 'Hello', refusal: 'No.', tool_calls: [fragment(0, 'f', '{"x":1}', 'a')] }
  const { deltas } = readEvents(openaiChatCompletions, chunk({ reasoning: 'Hm.' }), chunk({ content: 'Hel' }), chunk({ tool_calls: [fragment(0, 'f', '{"x"', 'a')] }), last(message), last(message, { content: '' }), '[DONE]')
  t.strictSame(deltas.slice(3), [
    { type: 'text', text: 'lo' }, { type: 'refusal', text: 'No.' }, { type: 'tool-call', index: 0, ...unnamed, arguments: ':1}' }, finish('tool-calls')
  ], 'only what is missing is added')
  const texts = (...events: object[]): string => readEvents(openaiChatCompletions, ...events).deltas.map(delta => delta.type === 'text' ? delta.text : `(${delta.type})`).join('|')
  const whole = (content: unknown): object => ({ choices: [{ message: { content } }] })
  t.equal(texts(chunk({ content: 'Hello ' }), last({ content: 'Hello' })), 'Hello ', 'a message that was trimmed')
  t.equal(texts(chunk({ content: 'Hello' }), last({ content: [{ text: 'Hel' }, { text: 'lo' }] })), 'Hello', 'a message that is divided in another way')
  t.equal(texts(whole('He'), whole('Hello'), whole('Hello')), 'He|llo', 'messages that grow')
  t.equal(texts(whole('He'), whole('llo')), 'He|llo', 'messages instead of deltas')
  t.equal(texts(chunk({ content: 'He' }), { choices: [{ delta: { content: 'llo' }, message: { content: 'Hello' } }] }), 'He|llo', 'a message beside each delta')
  t.strictSame(readEvents(openaiChatCompletions, chunk({ function_call: { name: 'f', arguments: '{}' } }), last({ function_call: { name: 'f', arguments: '{}' } })).deltas.length, 1, 'a deprecated function call')
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
  t.strictSame(readEvents(openaiChatCompletions, chunk({ reasoning_content: 'a' }), chunk({ reasoning: 'b' }), chunk({ reasoning_content: '', reasoning: 'c' }), chunk({ content: null, refusal: 'No.' })).deltas,
    [{ type: 'reasoning', text: 'a' }, { type: 'reasoning', text: 'b' }, { type: 'reasoning', text: 'c' }, { type: 'refusal', text: 'No.' }])
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
  for (const empty of [{}, { choices: [] }, { choices: null }, chunk(null), chunk({ role: 'assistant', content: null, tool_calls: null, function_call: null }), chunk({ content: 'the second choice' }, 'stop', 1), { choices: [{ delta: {} }] }, { choices: [null] },
    chunk({}, 'null'), chunk({}, ''), { choices: [{ delta: {}, finish_reason: 7 }] }]) {
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

t.test('a failure throws in whatever shape it is sent', t => {
  const failures = [
    [{ object: 'error', message: 'boom', code: 500 }, 'upstream_failed'],
    [{ detail: 'Internal Server Error' }, 'upstream_failed'],
    [{ code: 'Throttling', message: 'slow down', request_id: 'x' }, 'upstream_rate_limit'],
    [[{ error: { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED' } }], 'upstream_rate_limit'],
    [{ choices: null, base_resp: { status_code: 1008, status_msg: 'insufficient balance' } }, 'upstream_quota'],
    [{ choices: [], base_resp: { status_code: 1002, status_msg: 'rate limit' } }, 'upstream_rate_limit'],
    [{ choices: [{ delta: { content: '' } }], base_resp: { status_code: 1000, status_msg: 'unknown error' } }, 'upstream_failed'],
    [{ choices: [{ index: 0, error: { code: 502, message: 'Provider returned error' }, delta: {}, finish_reason: 'error' }] }, 'upstream_failed'],
    [{ choices: [{ index: 0, delta: {} }], x_groq: { id: 'x', error: 'over capacity' } }, 'upstream_overloaded']
  ] as const
  for (const [event, code] of failures) t.throws(() => readEvents(openaiChatCompletions, chunk({ content: 'x' }), event, '[DONE]'), { code }, JSON.stringify(event))
  for (const reason of ['error', 'abort', 'ABORTED', 'malformed_function_call', 'function_call_filter: MALFORMED_FUNCTION_CALL', 'insufficient_system_resource', 'network_error', 'cancelled', 'timeout', 'FinishReason.UNEXPECTED_TOOL_CALL']) {
    t.throws(() => readEvents(openaiChatCompletions, chunk({ content: 'x' }), chunk({}, reason), '[DONE]'), { code: 'upstream_failed' }, reason)
  }
  t.throws(() => readWholeAnswer(openaiChatCompletions, [{ error: { code: 503 } }]), { code: 'upstream_overloaded' })
  t.end()
})

t.test('events of successful answers are not failures', t => {
  const events = [
    { choices: [], created: 0, id: '', model: '', object: '', prompt_filter_results: [{ prompt_index: 0, content_filter_results: { hate: { filtered: false, severity: 'safe' } } }] },
    { choices: [{ index: 0, finish_reason: null, content_filter_results: { error: { code: 'content_filter_error', message: 'The contents are not filtered' } }, content_filter_offsets: { check_offset: 44 } }] },
    { choices: [{ index: 0, delta: { role: 'assistant', content: '' } }], x_groq: { id: 'x', error: null } },
    { choices: [{ index: 0, delta: {} }], base_resp: { status_code: 0, status_msg: '' }, error: null },
    { choices: [{ index: 0, delta: { content: '', extra_content: { google: { thought_signature: 'x' } } } }] },
    { choices: [{ index: 0, delta: {} }], prompt_progress: { total: 5, processed: 1 }, timings: {} },
    { id: 'x', object: 'chat.completion.chunk', usage: { prompt_tokens: 1 } }
  ]
  for (const event of events) t.strictSame(readEvents(openaiChatCompletions, event), { deltas: [], ended: false }, JSON.stringify(event))
  t.strictSame(readEvents(openaiChatCompletions, { choices: [{ delta: { content: 'x' }, finish_reason: 'stop', error: {} }], x_groq: { error: 'late' } }).deltas, [{ type: 'text', text: 'x' }])
  t.end()
})

t.test('usage is read wherever it is sent', t => {
  const usage = { prompt_tokens: 3, completion_tokens: 2 }
  for (const last of [{ usage }, { choices: [{ delta: {}, finish_reason: 'stop', usage }] }, { choices: [], x_groq: { id: 'x', usage } }]) {
    t.strictSame(readEvents(openaiChatCompletions, chunk({}, 'stop'), last, '[DONE]').deltas, [finish('stop', { inputTokens: 3, outputTokens: 2, totalTokens: 5 })], JSON.stringify(last))
  }
  t.end()
})

t.test('[DONE] without an answer is truncated', t => {
  t.throws(() => readEvents(openaiChatCompletions, '[DONE]'), { code: 'truncated' })
  t.throws(() => readEvents(openaiChatCompletions, chunk({ role: 'assistant', content: '' }), chunk({}, 'null'), '[DONE]'), { code: 'truncated' })
  t.end()
})

t.test('malformed data throws', t => {
  for (const malformed of ['{', 'null', '7', chunk({ content: { x: 5 } }), chunk({ tool_calls: 5 }), { choices: 5 }]) {
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
