import t from 'tap'
import { Answer } from '../../plugin/llm/answer.ts'
import type { ModelDelta } from '../../plugin/llm/index.ts'

function begin (): { answer: Answer, deltas: ModelDelta[] } {
  const deltas: ModelDelta[] = []
  return { deltas, answer: new Answer(delta => { deltas.push(delta) }) }
}

t.test('what is said is passed on, and what is empty is not', t => {
  const { answer, deltas } = begin()
  for (const nothing of [null, undefined, '']) {
    answer.text(nothing)
    answer.reasoning(nothing)
    answer.refusal(nothing)
  }
  answer.reasoning('hm')
  answer.text('yes')
  answer.refusal('no')
  t.strictSame(deltas, [{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'yes' }, { type: 'refusal', text: 'no' }])
  t.end()
})

t.test('what is no text is not understood', t => {
  const { answer, deltas } = begin()
  for (const odd of [5, {}, true]) {
    t.throws(() => { answer.text(odd) }, { code: 'bad_chunk' })
    t.throws(() => { answer.toolCall(0, 'a', 'b', odd) }, { code: 'bad_chunk' })
  }
  t.strictSame(deltas, [])
  t.end()
})

t.test('calls of tools are counted from 0, wherever the protocol has them', t => {
  const { answer, deltas } = begin()
  answer.toolCall(3, 'a', 'add', '')
  answer.toolArguments(3, '{"x"')
  answer.toolCall(7, 'b', 'sub', undefined)
  answer.toolArguments(3, ':1}')
  answer.toolArguments(7, '{}')
  answer.toolArguments(7, '')
  answer.toolArguments(5, '{"not":"ours"}')
  const more = { id: undefined, name: undefined }
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '' },
    { type: 'tool-call', index: 0, ...more, arguments: '{"x"' },
    { type: 'tool-call', index: 1, id: 'b', name: 'sub', arguments: '' },
    { type: 'tool-call', index: 0, ...more, arguments: ':1}' },
    { type: 'tool-call', index: 1, ...more, arguments: '{}' }
  ])
  t.end()
})

t.test('its id and its name come once, with the first piece', t => {
  const { answer, deltas } = begin()
  for (const args of ['{"x"', ':1}']) answer.toolCall(0, 'a', 'add', args)
  answer.toolCall(1, undefined, 'sub', '')
  answer.toolCall(1, 'b', 'sub', '{}')
  t.strictSame(deltas, [
    { type: 'tool-call', index: 0, id: 'a', name: 'add', arguments: '{"x"' },
    { type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: ':1}' },
    { type: 'tool-call', index: 1, id: undefined, name: 'sub', arguments: '' },
    { type: 'tool-call', index: 1, id: 'b', name: undefined, arguments: '{}' }
  ])
  t.end()
})

t.test('another id is another call, though it is in the same place', t => {
  const { answer, deltas } = begin()
  answer.toolCall(0, 'a', 'add', '{}')
  answer.toolCall(0, 'b', 'add', '{"x"')
  answer.toolArguments(0, ':1')
  answer.toolCall(0, 'c', undefined, '}')
  t.match(deltas, [{ index: 0, id: 'a', name: 'add', arguments: '{}' }, { index: 1, id: 'b', name: 'add', arguments: '{"x"' }, { index: 1, id: undefined, arguments: ':1' }, { index: 1, id: undefined, arguments: '}' }])
  t.equal(deltas.length, 4, 'but not where it has no name')
  t.end()
})

t.test('a call without arguments has none, in JSON', t => {
  const none = { type: 'tool-call', index: 1, id: undefined, name: undefined, arguments: '{}' }
  for (const [reason, expected] of [['tool-calls', [none]], ['stop', [none]], ['length', []]] as const) {
    const { answer, deltas } = begin()
    answer.toolCall(0, 'a', 'add', '{"x":1}')
    answer.toolCall(1, 'b', 'now', '')
    answer.stops(reason)
    answer.end()
    t.strictSame(deltas.slice(2, -1), expected, reason)
  }
  t.end()
})

t.test('it ends with why, and with what it took', t => {
  const { answer, deltas } = begin()
  answer.uses(3, undefined)
  answer.uses(undefined, 1)
  answer.uses('many', 4)
  answer.stops('length')
  t.notOk(answer.over)
  answer.end()
  t.ok(answer.over)
  t.strictSame(deltas, [{ type: 'finish', reason: 'length', usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 } }])
  t.end()
})

t.test('it may not say why, or not what it took', t => {
  for (const [input, output] of [[1, undefined], [undefined, 1]]) {
    const { answer, deltas } = begin()
    answer.uses(input, output)
    answer.end()
    t.strictSame(deltas, [{ type: 'finish', reason: 'other', usage: undefined }])
  }
  t.end()
})

t.test('who stops to call tools stops for that', t => {
  for (const [said, meant] of [['stop', 'tool-calls'], ['length', 'length']] as const) {
    const { answer, deltas } = begin()
    answer.toolCall(0, 'a', 'b', '')
    answer.stops(said)
    answer.end()
    t.match(deltas.at(-1), { reason: meant })
  }
  t.end()
})

t.test('without its last word it is over where it has said why it stopped', t => {
  const { answer, deltas } = begin()
  t.equal(answer.endIfSaid(), false)
  answer.stops('stop')
  t.equal(answer.endIfSaid(), true)
  t.equal(answer.endIfSaid(), true)
  t.equal(deltas.length, 1, 'once')
  t.end()
})
