import t from 'tap'
import { messages } from '../../plugin/llm/messages.ts'
import { readAll, readOne } from '../fixtures/protocol.ts'

const finish = (reason: string, usage?: object): object => ({ type: 'finish', reason, usage })
const start = (index: number, block: object): object => ({ type: 'content_block_start', index, content_block: block })
const go = (index: number, delta: object): object => ({ type: 'content_block_delta', index, delta })
const stop = (reason: string | null, usage?: object): object[] => [{ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage }, { type: 'message_stop' }]

t.test('a stream is asked for, with the key where it belongs', t => {
  t.strictSame(messages.streaming({ model: 'm', max_tokens: 5 }), { model: 'm', max_tokens: 5, stream: true })
  t.strictSame(messages.credentials('k'), { 'x-api-key': 'k' })
  t.end()
})

t.test('it thinks, says, stops, and counts what came from the cache', t => {
  const { deltas, over } = readAll(messages,
    { type: 'message_start', message: { usage: { input_tokens: 3, cache_creation_input_tokens: 10, cache_read_input_tokens: 100, output_tokens: 1 } } },
    start(0, { type: 'thinking', thinking: '' }), go(0, { type: 'thinking_delta', thinking: 'hm' }), go(0, { type: 'signature_delta', signature: 'x' }), { type: 'content_block_stop', index: 0 },
    { type: 'ping' },
    start(1, { type: 'text', text: '' }), go(1, { type: 'text_delta', text: 'Hi' }), go(1, { type: 'citations_delta', citation: {} }),
    { type: 'event_of_tomorrow' },
    ...stop('end_turn', { output_tokens: 7 }))
  t.strictSame(deltas, [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'Hi' }, finish('stop', { inputTokens: 113, outputTokens: 7, totalTokens: 120 })])
  t.ok(over)
  t.end()
})

t.test('calls of tools come in pieces, and those of its own are not ours', t => {
  const { deltas } = readAll(messages,
    start(0, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }), go(0, { type: 'input_json_delta', partial_json: '{"query":"x"}' }),
    start(1, { type: 'web_search_tool_result', content: [] }),
    start(2, { type: 'tool_use', id: 'a', name: 'add', input: {} }), go(2, { type: 'input_json_delta', partial_json: '' }), go(2, { type: 'input_json_delta', partial_json: '{}' }),
    ...stop('tool_use'))
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: '{}' },
    finish('tool-calls')
  ])
  t.end()
})

t.test('every reason has a word', t => {
  for (const [said, meant] of [['end_turn', 'stop'], ['stop_sequence', 'stop'], ['max_tokens', 'length'], ['model_context_window_exceeded', 'length'], ['refusal', 'content-filter'], ['pause_turn', 'other'], ['constructor', 'other']] as const) {
    t.strictSame(readAll(messages, ...stop(said)).deltas, [finish(meant)], said)
  }
  t.strictSame(readAll(messages, ...stop(null)).deltas, [finish('other')], 'and so has none')
  t.end()
})

t.test('an error is one', t => {
  t.throws(() => readAll(messages, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }), { code: 'upstream_overloaded', retryable: true })
  t.throws(() => readAll(messages, ...stop('end_turn').slice(0, 1), { error: { type: 'rate_limit_error' } }), { code: 'upstream_rate_limit' }, 'also without a type')
  t.throws(() => readAll(messages, { type: 'error', message: 'Overloaded' }), { code: 'upstream_failed' }, 'or with nothing but that')
  t.throws(() => readOne(messages, { type: 'error', error: { type: 'api_error' } }), { code: 'upstream_failed' })
  t.throws(() => readAll(messages, { type: 'error' }), { code: 'upstream_failed' }, 'also without a word about it')
  t.end()
})

t.test('what cannot be understood is not passed over', t => {
  for (const odd of ['{', { type: 'content_block_delta' }, go(0, { type: 'text_delta', text: 5 }), { type: 'message_delta' }]) t.throws(() => readAll(messages, odd))
  t.throws(() => readOne(messages, {}), { code: 'bad_chunk' })
  t.end()
})

t.test('an answer in one piece is one', t => {
  const { deltas, over } = readOne(messages, {
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
  t.ok(over)
  t.end()
})
