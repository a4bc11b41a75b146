import t from 'tap'
import { openaiResponses } from '../../../plugin/llm/protocols/openai-responses.ts'
import { readEvents, readWholeAnswer } from '../../fixtures/read-protocol.ts'

const finish = (reason: string, usage?: object): object => ({ type: 'finish', reason, usage })
const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 }
const tokens = { inputTokens: 3, outputTokens: 2, totalTokens: 5 }
const completed = { type: 'response.completed', response: { status: 'completed', usage } }

t.test('the body requests a stream', t => {
  t.strictSame(openaiResponses.streamingBody({ model: 'm', stream: false }), { model: 'm', stream: true })
  t.end()
})

t.test('reasoning, text, refusals and usage are read', t => {
  const { deltas, ended } = readEvents(openaiResponses,
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
    finish('stop', tokens)
  ])
  t.ok(ended)
  t.notOk(readEvents(openaiResponses, { type: 'response.output_text.delta', delta: 'Hi' }, '[DONE]').ended, '[DONE] does not end the answer')
  t.end()
})

t.test('output that was not streamed is read from the completed response', t => {
  const output = [{ type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm.' }] }, { type: 'message', content: [{ type: 'output_text', text: 'Hi' }] }]
  const end = { ...completed, response: { ...completed.response, output } }
  t.strictSame(readEvents(openaiResponses, { type: 'response.output_text.done', text: 'Hi' }, end).deltas,
    [{ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Hi' }, finish('stop', tokens)])
  t.strictSame(readEvents(openaiResponses, { type: 'response.output_text.delta', delta: 'Hi' }, end).deltas, [{ type: 'text', text: 'Hi' }, finish('stop', tokens)], 'streamed output is not repeated')
  t.end()
})

t.test('tool calls are read in fragments', t => {
  const { deltas } = readEvents(openaiResponses,
    { type: 'response.output_item.added', output_index: 1, item: { type: 'function_call', id: 'fc_1', call_id: 'a', name: 'add', arguments: '' } },
    { type: 'response.function_call_arguments.delta', output_index: 1, delta: '{}' },
    { type: 'response.function_call_arguments.delta', output_index: 0, delta: 'of another item' },
    { type: 'response.output_item.added' },
    completed)
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: '{}' },
    finish('tool-calls', tokens)
  ])
  t.end()
})

t.test('an incomplete response has a finish reason', t => {
  for (const [reason, expected] of [['max_output_tokens', 'length'], ['content_filter', 'content-filter'], ['else', 'other'], [undefined, 'other']] as const) {
    const incomplete = { type: 'response.incomplete', response: { status: 'incomplete', incomplete_details: reason && { reason } } }
    t.strictSame(readEvents(openaiResponses, incomplete).deltas, [finish(expected)], String(reason))
  }
  t.strictSame(readEvents(openaiResponses, { type: 'response.completed' }).deltas, [finish('stop')], 'the event type is enough')
  t.end()
})

t.test('an error throws, wherever it is reported', t => {
  t.throws(() => readEvents(openaiResponses, { type: 'error', code: 'rate_limit_exceeded', message: 'slow', param: null }), { code: 'upstream_rate_limit' })
  t.throws(() => readEvents(openaiResponses, { type: 'error', error: { code: 'insufficient_quota' } }), { code: 'upstream_quota' })
  t.throws(() => readEvents(openaiResponses, { type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message: 'boom' } } }), { code: 'upstream_failed' })
  t.throws(() => readEvents(openaiResponses, { type: 'response.failed', response: { error: null } }), { code: 'upstream_failed' })
  t.throws(() => readEvents(openaiResponses, { error: { code: 'invalid_api_key' } }), { code: 'upstream_auth' }, 'without an event type')
  t.throws(() => readEvents(openaiResponses, { type: 'response.failed', response: { status: 'completed' } }), { code: 'upstream_failed' }, 'whatever the status of its response')
  t.throws(() => readWholeAnswer(openaiResponses, { error: { message: 'no' } }), { code: 'upstream_failed' })
  t.end()
})

t.test('malformed data throws', t => {
  for (const malformed of ['{', '5', { type: 'response.output_text.delta', delta: { x: 5 } }]) t.throws(() => readEvents(openaiResponses, malformed), { code: 'bad_chunk' })
  t.throws(() => readWholeAnswer(openaiResponses, {}), { code: 'bad_chunk' })
  t.end()
})

t.test('an unfinished or cancelled response is truncated', t => {
  for (const status of ['queued', 'in_progress', 'cancelled']) t.throws(() => readWholeAnswer(openaiResponses, { status, error: null, output: [] }), { code: 'truncated' }, status)
  t.strictSame(readWholeAnswer(openaiResponses, { output: [] }).deltas, [finish('other')], 'a response without a status is complete')
  t.strictSame(readEvents(openaiResponses, { type: 'response.completed', response: { status: 'in_progress' } }).deltas, [finish('stop')], 'the event type takes precedence')
  t.end()
})

t.test('an answer that was not streamed is read', t => {
  const { deltas, ended } = readWholeAnswer(openaiResponses, {
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
    finish('tool-calls', tokens)
  ])
  t.ok(ended)
  t.end()
})
