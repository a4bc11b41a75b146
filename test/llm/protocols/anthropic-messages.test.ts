import t from 'tap'
import { anthropicMessages } from '../../../plugin/llm/protocols/anthropic-messages.ts'
import { DeltaWriter } from '../../../plugin/llm/protocols/delta-writer.ts'
import { readEvents, readWholeAnswer } from '../../fixtures/read-protocol.ts'

const finish = (reason: string, usage?: object): object => ({ type: 'finish', reason, usage })
const blockStart = (index: number, block: object): object => ({ type: 'content_block_start', index, content_block: block })
const blockDelta = (index: number, delta: object): object => ({ type: 'content_block_delta', index, delta })
const stop = (reason: string | null, usage?: object): object[] => [{ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage }, { type: 'message_stop' }]

t.test('the body requests a stream, and the key is sent as x-api-key', t => {
  t.strictSame(anthropicMessages.streamingBody({ model: 'm', max_tokens: 5 }), { model: 'm', max_tokens: 5, stream: true })
  t.strictSame(anthropicMessages.authHeaders('k'), { 'x-api-key': 'k' })
  t.end()
})

t.test('reasoning, text and usage are read; cached tokens are input tokens', t => {
  const { deltas, ended } = readEvents(anthropicMessages,
    { type: 'message_start', message: { usage: { input_tokens: 3, cache_creation_input_tokens: 10, cache_read_input_tokens: 100, output_tokens: 1 } } },
    blockStart(0, { type: 'thinking', thinking: '' }), blockDelta(0, { type: 'thinking_delta', thinking: 'hm' }), blockDelta(0, { type: 'signature_delta', signature: 'x' }), { type: 'content_block_stop', index: 0 },
    { type: 'ping' },
    blockStart(1, { type: 'text', text: '' }), blockDelta(1, { type: 'text_delta', text: 'Hi' }), blockDelta(1, { type: 'citations_delta', citation: {} }),
    { type: 'unknown_event' },
    ...stop('end_turn', { output_tokens: 7 }))
  t.strictSame(deltas, [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'Hi' }, finish('stop', { inputTokens: 113, outputTokens: 7, totalTokens: 120 })])
  t.ok(ended)
  t.end()
})

t.test('usage is merged part by part', t => {
  const usageOf = (start: object, delta?: object | null): unknown => {
    const finish = readEvents(anthropicMessages, { type: 'message_start', message: { usage: start } }, blockStart(0, { type: 'text', text: 'Hi' }), { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: delta }, { type: 'message_stop' }).deltas.at(-1)
    return finish?.type === 'finish' ? finish.usage : finish
  }
  t.match(usageOf({ input_tokens: 9, cache_read_input_tokens: 5, cache_creation_input_tokens: 2, output_tokens: 1 }, { input_tokens: 9, output_tokens: 16 }), { inputTokens: 16, outputTokens: 16 })
  t.match(usageOf({ input_tokens: 9, cache_read_input_tokens: 5, cache_creation_input_tokens: 2 }, { input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: null, output_tokens: 16 }), { inputTokens: 16, outputTokens: 16 })
  t.match(usageOf({ input_tokens: 0, output_tokens: 0 }, { input_tokens: 12, cache_read_input_tokens: 3, output_tokens: 4 }), { inputTokens: 15, outputTokens: 4 }, 'only in the end, as some proxies')
  t.match(usageOf({ input_tokens: 9, output_tokens: 1 }, null), { inputTokens: 9, outputTokens: 1 })
  t.end()
})

t.test('tool calls are read in fragments; tools of the server are ignored', t => {
  const { deltas } = readEvents(anthropicMessages,
    blockStart(0, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }), blockDelta(0, { type: 'input_json_delta', partial_json: '{"query":"x"}' }),
    blockStart(1, { type: 'web_search_tool_result', content: [] }),
    blockStart(2, { type: 'tool_use', id: 'a', name: 'add', input: {} }), blockDelta(2, { type: 'input_json_delta', partial_json: '' }), blockDelta(2, { type: 'input_json_delta', partial_json: '{}' }),
    ...stop('tool_use'))
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: '{}' },
    finish('tool-calls')
  ])
  t.end()
})

t.test('every stop reason is mapped', t => {
  for (const [reason, expected] of [['end_turn', 'stop'], ['stop_sequence', 'stop'], ['max_tokens', 'length'], ['model_context_window_exceeded', 'length'], ['refusal', 'content-filter'], ['pause_turn', 'other'], ['constructor', 'other'], ['stop', 'stop'], ['length', 'length'], ['guardrail_intervened', 'content-filter']] as const) {
    t.strictSame(readEvents(anthropicMessages, ...stop(reason)).deltas, [finish(expected)], reason)
  }
  t.end()
})

t.test('an answer without a stop reason is complete if it has content', t => {
  t.strictSame(readEvents(anthropicMessages, blockDelta(0, { type: 'text_delta', text: 'Hi' }), ...stop(null)).deltas.at(-1), finish('other'))
  t.throws(() => readEvents(anthropicMessages, { type: 'message_start', message: {} }, ...stop(null)), { code: 'truncated', retryable: true })
  t.throws(() => readWholeAnswer(anthropicMessages, { content: [] }), { code: 'truncated' })
  t.strictSame(readWholeAnswer(anthropicMessages, { content: 'Hi' }).deltas.at(-1), finish('other'))
  t.end()
})

t.test('an error throws', t => {
  t.throws(() => readEvents(anthropicMessages, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }), { code: 'upstream_overloaded', retryable: true })
  t.throws(() => readEvents(anthropicMessages, ...stop('end_turn').slice(0, 1), { error: { type: 'rate_limit_error' } }), { code: 'upstream_rate_limit' }, 'without a type')
  t.throws(() => readEvents(anthropicMessages, { type: 'error', message: 'Overloaded' }), { code: 'upstream_overloaded' }, 'without an error object')
  t.throws(() => readWholeAnswer(anthropicMessages, { type: 'error', error: { type: 'api_error' } }), { code: 'upstream_failed' })
  t.throws(() => readEvents(anthropicMessages, { type: 'error' }), { code: 'upstream_failed' }, 'without any details')
  t.end()
})

t.test('a failure is recognized in the shapes of proxies', t => {
  const failures: Array<[event: unknown, code: string]> = [
    [[{ error: { code: 429 } }], 'upstream_rate_limit'],
    [{ detail: 'Too many requests' }, 'upstream_rate_limit'],
    [{ message: 'Overloaded' }, 'upstream_overloaded'],
    [{ type: 'invalid_request_error', message: 'prompt is too long' }, 'prompt_too_long'],
    [{ type: 'ThrottlingException', message: 'slow' }, 'upstream_rate_limit']
  ]
  for (const [event, code] of failures) {
    t.throws(() => readEvents(anthropicMessages, blockStart(0, { type: 'text', text: 'Hi' }), event), { code }, JSON.stringify(event))
    t.throws(() => readWholeAnswer(anthropicMessages, event), { code }, JSON.stringify(event))
  }
  for (const reason of ['error', 'abort', 'malformed_tool_use', 'timeout']) {
    t.throws(() => readEvents(anthropicMessages, ...stop(reason)), { code: 'upstream_failed' }, reason)
    t.throws(() => readWholeAnswer(anthropicMessages, { content: [], stop_reason: reason }), { code: 'upstream_failed' }, reason)
  }
  t.end()
})

t.test('an oddity without content does not end the answer', t => {
  const oddities = [
    '[DONE]', { type: 'ping' }, { type: 'ping', message: 'hello' }, { type: 'vendor.notice', message: 'hello' }, { type: 'keepalive' }, {}, { type: null }, { error: null },
    { type: 'message_start' }, { type: 'message_start', message: null }, { type: 'message_start', message: { content: null, usage: null } },
    { type: 'message_delta' }, { type: 'message_delta', delta: null }, { type: 'message_delta', usage: { output_tokens: 1 } }, { type: 'message_delta', delta: { stop_reason: null } },
    { type: 'message_delta', delta: { stop_reason: 'null' } }, { type: 'message_delta', delta: { stop_reason: '' } }, { type: 'message_delta', delta: {}, usage: null, error: {} },
    { type: 'content_block_start' }, blockStart(3, { type: 'container_upload', text: 'x' }), { type: 'content_block_delta' }, { type: 'content_block_delta', delta: null },
    blockDelta(0, { type: 'vendor_delta', text: 'x' }), { type: 'content_block_stop' }, { type: 'content_block_stop', index: 9 }
  ]
  const hi = blockDelta(0, { type: 'text_delta', text: 'Hi' })
  for (const oddity of oddities) {
    t.strictSame(readEvents(anthropicMessages, oddity, hi, oddity, ...stop('end_turn')).deltas, [{ type: 'text', text: 'Hi' }, finish('stop')], JSON.stringify(oddity))
  }
  t.end()
})

t.test('the input at the start of a tool call is used unless fragments follow', t => {
  const start = (input: unknown): object => blockStart(0, { type: 'tool_use', id: 'a', name: 'add', input })
  const fragment = blockDelta(0, { type: 'input_json_delta', partial_json: '{"y":2}' })
  const end = { type: 'content_block_stop', index: 0 }
  const argumentsOf = (...events: unknown[]): unknown => {
    const { deltas } = readEvents(anthropicMessages, ...events)
    return [deltas.map(delta => delta.type === 'tool-call' ? delta.arguments : '').join(''), deltas.at(-1)!.type]
  }
  t.strictSame(argumentsOf(start({ x: 1 }), end, ...stop('tool_use')), ['{"x":1}', 'finish'])
  t.strictSame(argumentsOf(start('{"x":1}'), end, ...stop('tool_use')), ['{"x":1}', 'finish'], 'as text')
  t.strictSame(argumentsOf(start({ x: 1 }), ...stop('tool_use')), ['{"x":1}', 'finish'], 'without an end of the block')
  t.strictSame(argumentsOf(start({ x: 1 }), end, ...stop('max_tokens')), ['{"x":1}', 'finish'], 'whole although the answer was cut short')
  t.strictSame(argumentsOf(start({ x: 1 }), fragment, end, ...stop('tool_use')), ['{"y":2}', 'finish'], 'fragments are final')
  for (const input of [{}, '', null, undefined]) {
    t.strictSame(argumentsOf(start(input), end, ...stop('tool_use')), ['{}', 'finish'])
    t.strictSame(argumentsOf(start(input), end, ...stop('max_tokens')), ['', 'finish'], 'no arguments are invented')
    t.strictSame(argumentsOf(start(input), fragment, end, ...stop('tool_use')), ['{"y":2}', 'finish'])
  }
  t.strictSame(argumentsOf(blockStart(0, { type: 'mcp_tool_use', id: 'a', name: 'add', input: { x: 1 } }), end, ...stop('end_turn')), ['', 'finish'], 'a tool of the server')
  t.end()
})

t.test('values of an unusual type are read, and characters divided between deltas are joined', t => {
  const { deltas } = readEvents(anthropicMessages,
    blockDelta(0, { type: 'thinking_delta', thinking: 6 }), blockDelta(1, { type: 'text_delta', text: 6 }),
    ...['\ud83d', '\ude00'].map(text => blockDelta(1, { type: 'text_delta', text })),
    blockStart(2, { type: 'tool_use', id: 7, name: 'add', input: {} }), blockDelta(2, { type: 'input_json_delta', partial_json: { x: 1 } }), ...stop('tool_use'))
  t.strictSame(deltas, [
    { type: 'reasoning', text: '6' }, { type: 'text', text: '6' }, { type: 'text', text: '😀' },
    { type: 'tool-call', index: 0, id: '7', name: 'add', arguments: '' }, { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: '{"x":1}' },
    finish('tool-calls')
  ])
  t.end()
})

t.test('a stop reason before the end of the text is not the end', t => {
  const events = [blockDelta(0, { type: 'text_delta', text: 'Let ' }), { type: 'message_delta', delta: { stop_reason: 'end_turn' } }, blockDelta(0, { type: 'text_delta', text: 'me' })]
  for (const [received, ended] of [[events.slice(0, 2), true], [events, false]] as const) {
    const writer = new DeltaWriter(() => {})
    for (const event of received) anthropicMessages.readEvent(JSON.stringify(event), writer)
    t.equal(writer.endIfFinished(), ended, 'the response ends')
  }
  t.strictSame(readEvents(anthropicMessages, ...events, { type: 'message_stop' }).deltas.at(-1), finish('stop'))
  t.end()
})

t.test('the message at the start may hold content', t => {
  const message = { content: [{ type: 'text', text: 'Hi' }, { type: 'tool_use', id: 'a', name: 'add', input: { x: 1 } }], stop_reason: null, usage: { input_tokens: 1, output_tokens: 2 } }
  const expected = [{ type: 'text', text: 'Hi' }, { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' }, { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: '{"x":1}' }]
  t.strictSame(readEvents(anthropicMessages, { type: 'message_start', message }, ...stop('tool_use')).deltas, [...expected, finish('tool-calls', { inputTokens: 1, outputTokens: 2, totalTokens: 3 })])
  t.strictSame(readEvents(anthropicMessages, { type: 'message_start', message: { ...message, stop_reason: 'tool_use' } }, { type: 'message_stop' }).deltas.slice(0, 3), expected)
  t.end()
})

t.test('malformed data throws', t => {
  for (const malformed of ['{', '5', { type: 'message_start', message: { content: 5 } }]) t.throws(() => readEvents(anthropicMessages, malformed), { code: 'bad_chunk' })
  for (const malformed of [{}, { content: 5 }, { content: {} }]) t.throws(() => readWholeAnswer(anthropicMessages, malformed), { code: 'bad_chunk' }, JSON.stringify(malformed))
  t.end()
})

t.test('an answer that was not streamed is read', t => {
  const { deltas, ended } = readWholeAnswer(anthropicMessages, {
    type: 'message',
    content: [{ type: 'thinking', thinking: 'hm' }, { type: 'text', text: 'Hi' }, { type: 'tool_use', id: 'a', name: 'add', input: { x: 1 } }],
    stop_reason: 'tool_use',
    usage: { input_tokens: 3, output_tokens: 2 }
  })
  t.strictSame(deltas, [
    { type: 'reasoning', text: 'hm' },
    { type: 'text', text: 'Hi' },
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '{"x":1}' },
    finish('tool-calls', { inputTokens: 3, outputTokens: 2, totalTokens: 5 })
  ])
  t.ok(ended)
  t.end()
})

t.test('the content of an answer that was not streamed may be text, or missing', t => {
  t.strictSame(readWholeAnswer(anthropicMessages, { content: 'Hi', stop_reason: 'end_turn' }).deltas, [{ type: 'text', text: 'Hi' }, finish('stop')])
  t.strictSame(readWholeAnswer(anthropicMessages, { content: null, stop_reason: 'end_turn' }).deltas, [finish('stop')])
  t.strictSame(readWholeAnswer(anthropicMessages, { content: [null, { type: 'tool_use', id: 'a', name: 'add', input: { x: 1 } }], stop_reason: 'max_tokens' }).deltas, [{ type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '{"x":1}' }, finish('length')])
  t.end()
})
