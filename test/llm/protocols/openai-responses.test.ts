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
    [{ type: 'text', text: 'Hi' }, { type: 'reasoning', text: 'Hm.' }, finish('stop', tokens)])
  t.strictSame(readEvents(openaiResponses, end).deltas, [{ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Hi' }, finish('stop', tokens)])
  t.strictSame(readEvents(openaiResponses, { type: 'response.output_text.delta', delta: 'Hi' }, end).deltas, [{ type: 'text', text: 'Hi' }, { type: 'reasoning', text: 'Hm.' }, finish('stop', tokens)], 'streamed output is not repeated')
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
  t.throws(() => readEvents(openaiResponses, { type: 'response.incomplete', response: { incomplete_details: { reason: 'server_error' } } }), { code: 'upstream_failed' })
  t.strictSame(readEvents(openaiResponses, { type: 'response.completed' }).deltas, [finish('stop')], 'the event type is enough')
  t.strictSame(readEvents(openaiResponses, { type: 'response.completed', status: 'completed', usage }).deltas, [finish('stop', tokens)], 'the event may be the response itself')
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
  for (const failure of [{ detail: 'Unauthorized' }, [{ error: { code: 401 } }], { type: 'authentication_error', message: 'no' }, { type: 'response.error', code: 'invalid_api_key' }]) {
    t.throws(() => readEvents(openaiResponses, failure), { code: 'upstream_auth' }, JSON.stringify(failure))
  }
  t.throws(() => readWholeAnswer(openaiResponses, { detail: 'Unauthorized' }), { code: 'upstream_auth' })
  t.throws(() => readEvents(openaiResponses, { type: 'response.completed', response: { error: { code: 'server_error' } } }), { code: 'upstream_failed' })
  for (const harmless of [{ type: 'keepalive', sequence_number: 3 }, { type: 'codex.rate_limits', rate_limits: {} }, { type: 'response.of.tomorrow', message: 'x' }, { type: 'response.in_progress', error: {} }]) {
    t.strictSame(readEvents(openaiResponses, harmless).deltas, [], JSON.stringify(harmless))
  }
  t.strictSame(readEvents(openaiResponses, { type: 'response.completed', response: { error: {} } }).deltas, [finish('stop')], 'an error without content is none')
  t.end()
})

t.test('malformed data throws', t => {
  for (const malformed of ['{', '5', { type: 'response.output_text.delta', delta: { x: 5 } }]) t.throws(() => readEvents(openaiResponses, malformed), { code: 'bad_chunk' })
  t.throws(() => readWholeAnswer(openaiResponses, {}), { code: 'bad_chunk' })
  t.end()
})

t.test('an unfinished or cancelled response is truncated', t => {
  for (const status of ['queued', 'in_progress', 'cancelled']) t.throws(() => readWholeAnswer(openaiResponses, { status, error: null, output: [] }), { code: 'truncated' }, status)
  t.throws(() => readEvents(openaiResponses, { type: 'response.cancelled', response: {} }), { code: 'truncated' })
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

/** What events are read as: texts by kind, and calls with their arguments, up to the finish delta. */
function answerOf (...events: unknown[]): object {
  const answer: Record<string, string> = {}
  for (const delta of readEvents(openaiResponses, ...events).deltas) {
    if (delta.type === 'finish') answer.finish = delta.reason
    else if (delta.type === 'tool-call') answer[`call ${delta.index}`] = (answer[`call ${delta.index}`] ?? '') + (delta.id === undefined ? '' : `${delta.id}:`) + (delta.name ?? '') + delta.arguments
    else answer[delta.type] = (answer[delta.type] ?? '') + delta.text
  }
  return answer
}

const place = { item_id: 'item_1', output_index: 1 }
const call = { type: 'function_call', id: 'item_1', call_id: 'a', name: 'add', arguments: '' }
const added = { type: 'response.output_item.added', output_index: 1, item: call }
const itemDone = (item: object, index = 1): object => ({ type: 'response.output_item.done', output_index: index, item })
const completedWith = (...output: unknown[]): object => ({ type: 'response.completed', response: { output } })
const textDelta = (delta: string, fields: object = { ...place, content_index: 0 }): object => ({ type: 'response.output_text.delta', ...fields, delta })
const textDone = (text: string, fields: object = { ...place, content_index: 0 }): object => ({ type: 'response.output_text.done', ...fields, text })
const messageOf = (...texts: string[]): object => ({ type: 'message', id: 'item_1', content: texts.map(text => ({ type: 'output_text', text })) })

t.test('arguments that are only sent as a whole are read, once', t => {
  const args = '{"x":1}'
  const done = { type: 'response.function_call_arguments.done', ...place, arguments: args }
  const whole = { ...call, arguments: args }
  const delta = (text: string, fields: object = place): object => ({ type: 'response.function_call_arguments.delta', ...fields, delta: text })
  const expected = { 'call 0': `a:add${args}`, finish: 'tool-calls' }
  for (const events of [[added, done], [added, itemDone(whole)], [itemDone(whole)], [], [added, delta('{"x"'), done], [added, delta(args), done, itemDone(whole), itemDone(whole)], [added]]) {
    t.strictSame(answerOf(...events, completedWith(messageOf(), whole)), expected, JSON.stringify(events))
  }
  for (const events of [[added, done], [itemDone(whole)]]) t.strictSame(answerOf(...events, completedWith()), expected, 'without output at the end')
  t.strictSame(answerOf(added, { ...done, arguments: { x: 1 } }, completedWith()), expected, 'an object instead of JSON')
  t.strictSame(answerOf({ ...added, item: { ...call, arguments: '{}' } }, done, completedWith()), expected, 'an empty object before the arguments')
  t.strictSame(answerOf(added, delta('{}'), itemDone({ ...call, arguments: '{ }' }), completedWith()), { 'call 0': 'a:add{}', finish: 'tool-calls' }, 'deltas cannot be taken back')
  t.strictSame(answerOf({ ...done, name: 'add' }, itemDone(whole), completedWith()), { 'call 0': `add${args}a:`, finish: 'tool-calls' }, 'a call that starts with its arguments')
  t.strictSame(answerOf(delta('{}', { item_id: 'item_1' }), completedWith()), { finish: 'stop' }, 'a delta of a call that was not started')
  t.strictSame(answerOf(done, completedWith()), { finish: 'stop' }, 'arguments of a call that was not started')
  t.strictSame(answerOf({ ...added, output_index: undefined }, delta('{"x"', { item_id: 'item_1' }), delta(':1}', { item_id: 'item_1' }), completedWith(whole)), expected, 'without positions')
  t.strictSame(answerOf({ ...added, output_index: undefined }, delta('{"x"', {}), delta(':1}', {}), completedWith(whole)), expected, 'without places')
  t.strictSame(answerOf(added, delta('{"x"', { ...place, item_id: 'other_1' }), delta(':1}', { ...place, item_id: 'other_2' }), itemDone({ ...whole, id: 'other_3' }), completedWith()), expected, 'an id for each event')
  t.end()
})

t.test('parallel calls keep their arguments where positions differ between events', t => {
  const calls = ['a', 'b'].map((id, index) => ({ ...call, id: `item_${id}`, call_id: id, arguments: `{"x":${index}}` }))
  const starts = calls.map((item, index) => ({ type: 'response.output_item.added', output_index: index, item: { ...item, arguments: '' } }))
  const expected = { 'call 0': 'a:add{"x":0}', 'call 1': 'b:add{"x":1}', finish: 'tool-calls' }
  const done = calls.map((item, index) => ({ type: 'response.function_call_arguments.done', item_id: item.id, output_index: index + 1, arguments: item.arguments }))
  t.strictSame(answerOf(...starts, ...done, completedWith()), expected)
  t.strictSame(answerOf(...starts, ...calls.map((item, index) => itemDone(item, index + 1)), completedWith(messageOf(), ...calls)), expected)
  t.strictSame(answerOf(...calls.map(item => itemDone(item, 0)), completedWith(...calls)), expected, 'the same position for all')
  t.end()
})

t.test('custom tools are called with text', t => {
  const custom = { type: 'custom_tool_call', id: 'item_1', call_id: 'a', name: 'run', input: '' }
  const start = { ...added, item: custom }
  const expected = { 'call 0': 'a:runls -l', finish: 'tool-calls' }
  const deltas = ['ls', ' -l'].map(delta => ({ type: 'response.custom_tool_call_input.delta', ...place, delta }))
  const done = { type: 'response.custom_tool_call_input.done', ...place, input: 'ls -l' }
  const whole = { ...custom, input: 'ls -l' }
  for (const events of [[start, ...deltas], [start, ...deltas, done], [start, done], [start], [itemDone(whole)], []]) t.strictSame(answerOf(...events, completedWith(messageOf(), whole)), expected, JSON.stringify(events))
  t.strictSame(answerOf(start, itemDone(custom), completedWith(messageOf(), custom)), { 'call 0': 'a:run', finish: 'tool-calls' }, 'empty text is not an empty object')
  t.end()
})

t.test('text that is only sent as a whole is read, once', t => {
  const partDone = (text: string): object => ({ type: 'response.content_part.done', ...place, content_index: 0, part: { type: 'output_text', text } })
  const whole = messageOf('Hello there')
  const mixtures = [
    [textDelta('Hello'), textDone('Hello there')], [textDone('Hello there')], [partDone('Hello there')], [itemDone(whole)], [], [textDelta('Hello ')],
    [textDelta('Hello'), textDelta(' there'), textDone('Hello there'), partDone('Hello there'), itemDone(whole)]
  ]
  for (const events of mixtures) t.strictSame(answerOf(...events, completedWith(null, whole)), { text: 'Hello there', finish: 'stop' }, JSON.stringify(events))
  t.strictSame(answerOf(textDelta('Hello '), completedWith({ type: 'message', content: 'Hello there' })), { text: 'Hello there', finish: 'stop' }, 'content as text')
  t.strictSame(answerOf(textDelta('Hello '), { type: 'response.completed', response: { output_text: 'Hello there' } }), { text: 'Hello there', finish: 'stop' }, 'without output')
  t.strictSame(answerOf({ type: 'response.reasoning_summary_text.delta', ...place, output_index: 0, summary_index: 0, delta: 'Hm' }, { type: 'response.incomplete', response: { output: [{ type: 'reasoning', summary: [{ text: 'Hm.' }] }, whole] } }),
    { reasoning: 'Hm.', text: 'Hello there', finish: 'other' }, 'an incomplete response')
  t.end()
})

t.test('every kind of text is completed by its final values', t => {
  const events = [
    { type: 'response.reasoning_summary_text.done', ...place, summary_index: 0, text: 'a' },
    { type: 'response.reasoning_summary_part.done', ...place, summary_index: 0, part: { type: 'summary_text', text: 'ab' } },
    { type: 'response.reasoning_text.done', ...place, content_index: 0, text: 'c' },
    { type: 'response.content_part.done', ...place, content_index: 0, part: { type: 'reasoning_text', text: 'cd' } },
    { type: 'response.refusal.done', ...place, content_index: 0, refusal: 'e' },
    { type: 'response.content_part.done', ...place, content_index: 0, part: { type: 'refusal', refusal: 'ef' } },
    itemDone({ type: 'reasoning', summary: ['abg'], content: [{ type: 'reasoning_text', text: 'cdh' }] }),
    { type: 'response.reasoning_summary_part.done' }, { type: 'response.content_part.done' }, { type: 'response.output_item.done' }
  ]
  t.strictSame(answerOf(...events, completedWith()), { reasoning: 'abcdgh', refusal: 'ef', finish: 'stop' })
  t.end()
})

t.test('final values are matched by their places, or by their texts if servers have no reliable places', t => {
  const second = { item_id: 'item_2', output_index: 2, content_index: 0 }
  const end = completedWith({ type: 'reasoning' }, messageOf('OK'), messageOf('OK'))
  t.strictSame(answerOf(textDelta('OK'), textDone('OK', second), end), { text: 'OKOK', finish: 'stop' }, 'equal texts')
  t.strictSame(answerOf(textDelta('O'), textDelta('O', second), end), { text: 'OOKK', finish: 'stop' }, 'two tails')
  t.strictSame(answerOf(textDelta('OK', {}), textDone('OK', {}), textDelta('OK', {}), textDone('OK', {}), end), { text: 'OKOK', finish: 'stop' }, 'no places')
  const same = { item_id: 'x', output_index: 0, content_index: 0 }
  t.strictSame(answerOf(textDelta('OK', same), itemDone(messageOf('OK'), 0), textDelta('OK', same), itemDone(messageOf('OK'), 0), end), { text: 'OKOK', finish: 'stop' }, 'the same place for all')
  t.strictSame(answerOf(textDelta('Hel', { item_id: 'p' }), textDelta('lo', { item_id: 'q' }), textDone('Hello!', { item_id: 'r' }), completedWith(messageOf('Hello!'))), { text: 'Hello!', finish: 'stop' }, 'an id for each event')
  t.strictSame(answerOf(textDelta('Hello', same), completedWith({ type: 'reasoning', summary: [] }, messageOf('Hello!'))), { text: 'Hello!', finish: 'stop' }, 'another position at the end')
  t.end()
})

t.test('values of other types are read as text', t => {
  t.strictSame(answerOf({ type: 'response.output_text.delta', delta: 6 }, { ...added, item: { ...call, call_id: 7, arguments: { x: 1 } } }, completed), { text: '6', 'call 0': '7:add{"x":1}', finish: 'tool-calls' })
  t.end()
})
