import t from 'tap'
import { responses } from '../../plugin/llm/responses.ts'
import { readAll, readOne } from '../fixtures/protocol.ts'

const finish = (reason: string, usage?: object): object => ({ type: 'finish', reason, usage })
const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 }
const used = { inputTokens: 3, outputTokens: 2, totalTokens: 5 }
const completed = { type: 'response.completed', response: { status: 'completed', usage } }

t.test('a stream is asked for', t => {
  t.strictSame(responses.streaming({ model: 'm', stream: false }), { model: 'm', stream: true })
  t.end()
})

t.test('it thinks, says, refuses and completes', t => {
  const { deltas, over } = readAll(responses,
    { type: 'response.created', response: { status: 'in_progress' } },
    { type: 'response.reasoning_summary_text.delta', delta: 'a' },
    { type: 'response.reasoning_text.delta', delta: 'b' },
    { type: 'response.output_item.added', output_index: 0, item: { type: 'message' } },
    { type: 'response.output_text.delta', delta: 'Hi' },
    { type: 'response.output_text.done', text: 'Hi' },
    { type: 'response.refusal.delta', delta: 'No.' },
    { type: 'response.of.tomorrow', delta: 'x' },
    '[DONE]', completed)
  t.strictSame(deltas, [
    { type: 'reasoning', text: 'a' },
    { type: 'reasoning', text: 'b' },
    { type: 'text', text: 'Hi' },
    { type: 'refusal', text: 'No.' },
    finish('stop', used)
  ])
  t.ok(over)
  t.notOk(readAll(responses, { type: 'response.output_text.delta', delta: 'Hi' }, '[DONE]').over, 'which nothing else means')
  t.end()
})

t.test('what was not streamed is in its end', t => {
  const output = [{ type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] }, { type: 'message', content: [{ type: 'output_text', text: 'Hi' }] }]
  const end = { ...completed, response: { ...completed.response, output } }
  t.strictSame(readAll(responses, { type: 'response.output_text.done', text: 'Hi' }, end).deltas,
    [{ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Hi' }, finish('stop', used)])
  t.strictSame(readAll(responses, { type: 'response.output_text.delta', delta: 'Hi' }, end).deltas, [{ type: 'text', text: 'Hi' }, finish('stop', used)], 'and is not said again')
  t.end()
})

t.test('calls of tools come in pieces', t => {
  const { deltas } = readAll(responses,
    { type: 'response.output_item.added', output_index: 1, item: { type: 'function_call', id: 'fc_1', call_id: 'a', name: 'add', arguments: '' } },
    { type: 'response.function_call_arguments.delta', output_index: 1, delta: '{}' },
    { type: 'response.function_call_arguments.delta', output_index: 0, delta: 'of something else' },
    { type: 'response.output_item.added' },
    completed)
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: '{}' },
    finish('tool-calls', used)
  ])
  t.end()
})

t.test('it may end before it is complete', t => {
  for (const [said, meant] of [['max_output_tokens', 'length'], ['content_filter', 'content-filter'], ['else', 'other'], [undefined, 'other']] as const) {
    const incomplete = { type: 'response.incomplete', response: { status: 'incomplete', incomplete_details: said && { reason: said } } }
    t.strictSame(readAll(responses, incomplete).deltas, [finish(meant)], String(said))
  }
  t.strictSame(readAll(responses, { type: 'response.completed' }).deltas, [finish('stop')], 'the type of the event is enough')
  t.end()
})

t.test('an error is one, wherever it is said', t => {
  t.throws(() => readAll(responses, { type: 'error', code: 'rate_limit_exceeded', message: 'slow', param: null }), { code: 'upstream_rate_limit' })
  t.throws(() => readAll(responses, { type: 'error', error: { code: 'insufficient_quota' } }), { code: 'upstream_quota' })
  t.throws(() => readAll(responses, { type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message: 'boom' } } }), { code: 'upstream_failed' })
  t.throws(() => readAll(responses, { type: 'response.failed', response: { error: null } }), { code: 'upstream_failed' })
  t.throws(() => readAll(responses, { error: { code: 'invalid_api_key' } }), { code: 'upstream_auth' }, 'also without a type')
  t.throws(() => readAll(responses, { type: 'response.failed', response: { status: 'completed' } }), { code: 'upstream_failed' }, 'and whatever its response says')
  t.throws(() => readOne(responses, { error: { message: 'no' } }), { code: 'upstream_failed' })
  t.end()
})

t.test('what cannot be understood is not passed over', t => {
  for (const odd of ['{', '5', { type: 'response.output_text.delta', delta: {} }]) t.throws(() => readAll(responses, odd), { code: 'bad_chunk' })
  t.throws(() => readOne(responses, {}), { code: 'bad_chunk' })
  t.end()
})

t.test('what is still under way, or was cancelled, is not whole', t => {
  for (const status of ['queued', 'in_progress', 'cancelled']) t.throws(() => readOne(responses, { status, error: null, output: [] }), { code: 'truncated' }, status)
  t.strictSame(readOne(responses, { output: [] }).deltas, [finish('other')], 'what says nothing of it is')
  t.strictSame(readAll(responses, { type: 'response.completed', response: { status: 'in_progress' } }).deltas, [finish('stop')], 'and the type of an event knows better')
  t.end()
})

t.test('an answer in one piece is one', t => {
  const { deltas, over } = readOne(responses, {
    status: 'completed',
    error: null,
    output: [
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'a' }], content: [{ type: 'reasoning_text', text: 'b' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'Hi' }, { type: 'refusal', refusal: 'No.' }] },
      { type: 'function_call', call_id: 'c', name: 'add', arguments: '{}' },
      { type: 'function_call', call_id: 'd', name: 'sub', arguments: '{}' }
    ],
    usage
  })
  t.strictSame(deltas, [
    { type: 'reasoning', text: 'a' },
    { type: 'reasoning', text: 'b' },
    { type: 'text', text: 'Hi' },
    { type: 'refusal', text: 'No.' },
    { type: 'tool-call', index: 0, id: 'c', name: 'add', arguments: '{}' },
    { type: 'tool-call', index: 1, id: 'd', name: 'sub', arguments: '{}' },
    finish('tool-calls', used)
  ])
  t.ok(over)
  t.end()
})
