import t from 'tap'
import type { ModelDelta } from '../../../plugin/llm/index.ts'
import { DeltaWriter } from '../../../plugin/llm/protocols/delta-writer.ts'

function setup (): { writer: DeltaWriter, deltas: ModelDelta[] } {
  const deltas: ModelDelta[] = []
  return { deltas, writer: new DeltaWriter(delta => { deltas.push(delta) }) }
}

t.test('text is written as deltas, and empty text is ignored', t => {
  const { writer, deltas } = setup()
  for (const empty of [null, undefined, '']) {
    writer.text(empty)
    writer.reasoning(empty)
    writer.refusal(empty)
  }
  t.ok(writer.empty)
  writer.reasoning('hm')
  t.notOk(writer.empty)
  writer.text('yes')
  writer.refusal('no')
  t.strictSame(deltas, [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'yes' }, { type: 'refusal', text: 'no' }])
  t.end()
})

t.test('values of other types are written as text', t => {
  const { writer, deltas } = setup()
  writer.text(6)
  writer.reasoning(true)
  writer.toolCall(0, 7, 'f', { x: 1 })
  t.strictSame(deltas, [{ type: 'text', text: '6' }, { type: 'reasoning', text: 'true' }, { type: 'tool-call', index: 0, id: '7', name: 'f', arguments: '{"x":1}' }])
  t.throws(() => { writer.text({ x: 1 }) }, { code: 'bad_chunk' })
  t.end()
})

t.test('half a character is held until the next text of its kind, or the end', t => {
  const { writer, deltas } = setup()
  writer.text('\ud83d')
  t.ok(writer.empty)
  writer.reasoning('hm\ud83d')
  writer.text('\ude00')
  writer.summary('\ud83d')
  writer.refusal('\ud83d')
  writer.end()
  t.strictSame(deltas.slice(0, -1), [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: '😀' }, ...['reasoning', 'reasoning', 'refusal'].map(type => ({ type, text: '\uFFFD' }))])
  t.end()
})

t.test('what was not streamed of final values is written in the order of the answer', t => {
  const { writer, deltas } = setup()
  writer.summary('Hm', 0, 0)
  writer.text('Hel', 1, 0)
  writer.toolCall(2, 'a', 'f', '{"x"')
  const [thought, text, call] = [
    { kind: 'summary', value: 'Hm.', items: [0], position: 0 }, { kind: 'text', value: 'Hello', items: [1], position: 0 },
    { kind: 'tool-call', value: '{"x":1}', items: [2], id: 'a', name: 'f' }
  ] as const
  writer.finals([text], 1, false)
  writer.finals([text], 2, false)
  const more = [{ kind: 'reasoning', value: 'So.', items: [0], position: 0 }, { kind: 'text', value: 6, items: [3], position: 0 }, { kind: 'refusal', value: null }, { kind: 'tool-call', value: '', items: [4], id: 8, isText: true }] as const
  for (let times = 0; times < 2; times++) writer.finals([thought, ...more, text, call], 3 + times, true)
  writer.finishReason('stop')
  writer.end()
  t.strictSame(deltas.slice(3), [
    { type: 'text', text: 'lo' }, { type: 'reasoning', text: '.' }, { type: 'reasoning', text: 'So.' }, { type: 'text', text: '6' },
    { type: 'tool-call', index: 1, id: '8', name: undefined, arguments: '' },
    { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: ':1}' },
    { type: 'finish', reason: 'tool-calls', usage: undefined }
  ])
  t.end()
})

t.test('what was not streamed of a message with the answer so far is written', t => {
  const { writer, deltas } = setup()
  writer.text('Hel')
  writer.toolCall(0, 'a', 'f', '{"x"')
  for (let times = 0; times < 2; times++) {
    writer.snapshot([{ kind: 'reasoning', value: 'Hm.' }, { kind: 'text', value: 'He' }, { kind: 'text', value: 'llo' }, { kind: 'tool-call', items: [0], id: 'a', name: 'f', value: '{"x":1}' }])
  }
  t.strictSame(deltas.slice(2), [{ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'lo' }, { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: ':1}' }])
  t.end()
})

t.test('tool calls are numbered from 0, whatever their keys', t => {
  const { writer, deltas } = setup()
  writer.toolCall(3, 'a', 'add', '')
  writer.toolArguments(3, '{"x"')
  writer.toolCall(7, 'b', 'sub', undefined)
  writer.toolArguments(3, ':1}')
  writer.toolArguments(7, '{}')
  writer.toolArguments(7, '')
  writer.toolArguments(5, '{"call":"not started"}')
  const unnamed = { id: undefined, name: undefined }
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, ...unnamed, arguments: '{"x"' },
    { type: 'tool-call', index: 1, id: 'b', name: 'sub', arguments: '' },
    { type: 'tool-call', index: 0, ...unnamed, arguments: ':1}' },
    { type: 'tool-call', index: 1, ...unnamed, arguments: '{}' }
  ])
  t.end()
})

t.test('the id and the name of a tool call are written once, with the first fragment that has them', t => {
  const { writer, deltas } = setup()
  for (const args of ['{"x"', ':1}']) writer.toolCall(0, 'a', 'add', args)
  writer.toolCall(1, undefined, 'sub', '')
  writer.toolCall(1, 'b', 'sub', '{}')
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '{"x"' },
    { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: ':1}' },
    { type: 'tool-call', index: 1, id: undefined, name: 'sub', arguments: '' },
    { type: 'tool-call', index: 1, id: 'b', name: undefined, arguments: '{}' }
  ])
  t.end()
})

t.test('a complete tool call without arguments gets an empty JSON object', t => {
  const noArguments = { type: 'tool-call', index: 1, id: undefined, name: undefined, arguments: '{}' }
  for (const [reason, expected] of [['tool-calls', [noArguments]], ['stop', [noArguments]], ['length', []]] as const) {
    const { writer, deltas } = setup()
    writer.toolCall(0, 'a', 'add', '{"x":1}')
    writer.toolCall(1, 'b', 'now', '')
    writer.finishReason(reason)
    writer.end()
    t.strictSame(deltas.slice(2, -1), expected, reason)
  }
  t.end()
})

t.test('the finish delta has the reason and the latest usage', t => {
  const { writer, deltas } = setup()
  writer.usage(3, undefined)
  writer.usage(undefined, 1)
  writer.usage('many', 4)
  writer.finishReason('length')
  t.notOk(writer.ended)
  writer.end()
  t.ok(writer.ended)
  t.strictSame(deltas, [{ type: 'finish', reason: 'length', usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 } }])
  t.end()
})

t.test('a missing or zero count does not replace an earlier one, and cached tokens are input tokens', t => {
  const { writer, deltas } = setup()
  writer.usage(9, 0, 5, 2)
  writer.usage(0, 16)
  writer.usage(undefined, 0, 0, null)
  writer.usage(8, 17)
  writer.end()
  t.strictSame(deltas, [{ type: 'finish', reason: 'other', usage: { inputTokens: 15, outputTokens: 17, totalTokens: 32 } }])
  t.end()
})

t.test('without a reason it is other, and without both counts there is no usage', t => {
  for (const [input, output] of [[1, undefined], [undefined, 1]]) {
    const { writer, deltas } = setup()
    writer.usage(input, output)
    writer.end()
    t.strictSame(deltas, [{ type: 'finish', reason: 'other', usage: undefined }])
  }
  t.end()
})

t.test('stop with a tool call becomes tool-calls', t => {
  for (const [reason, expected] of [['stop', 'tool-calls'], ['length', 'length']] as const) {
    const { writer, deltas } = setup()
    writer.finishReason(reason)
    writer.toolCall(0, 'a', 'b', '')
    writer.end()
    t.match(deltas.at(-1), { reason: expected })
  }
  t.end()
})

t.test('a finish reason before other content does not complete an answer that is cut off', t => {
  const { writer, deltas } = setup()
  writer.finishReason('length')
  writer.text('more')
  t.equal(writer.endIfFinished(), false)
  writer.end()
  t.strictSame(deltas.at(-1), { type: 'finish', reason: 'length', usage: undefined }, 'but a regular end does')
  t.end()
})

t.test('complete() ends an answer that has content or a finish reason, and throws for any other', t => {
  for (const write of [(writer: DeltaWriter) => writer.text('Hi'), (writer: DeltaWriter) => writer.finishReason('length')]) {
    const { writer, deltas } = setup()
    write(writer)
    writer.complete()
    t.match(deltas.at(-1), { type: 'finish' })
  }
  t.throws(() => { setup().writer.complete() }, { code: 'truncated' })
  t.end()
})

t.test('endIfFinished() ends the answer once, after the finish reason is known', t => {
  const { writer, deltas } = setup()
  t.equal(writer.endIfFinished(), false)
  writer.finishReason('stop')
  t.equal(writer.endIfFinished(), true)
  t.equal(writer.endIfFinished(), true)
  t.equal(deltas.length, 1)
  t.end()
})
