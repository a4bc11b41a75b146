import t from 'tap'
import type { ModelDelta } from '../../../plugin/llm/index.ts'
import { ToolCalls, type ToolCallFragment } from '../../../plugin/llm/protocols/tool-calls.ts'

type Fragment = readonly [id: string | undefined, name: string | undefined, text: string, options?: Partial<ToolCallFragment>]

function setup (): { calls: ToolCalls, deltas: ModelDelta[] } {
  const deltas: ModelDelta[] = []
  return { deltas, calls: new ToolCalls(delta => { deltas.push(delta) }) }
}

/** The calls that fragments with one key are read as. */
function callsOf (...fragments: readonly Fragment[]): unknown[] {
  const { calls } = setup()
  for (const [id, name, text, options] of fragments) calls.write({ key: 0, id, name, text, ...options })
  return calls.parts.map(({ id, name, text }) => [id, name, text])
}

t.test('a fragment with another id and a name starts another call under the same key', t => {
  t.strictSame(callsOf(['a', 'f', '{}'], ['b', 'f', '{"x"'], [undefined, undefined, ':1}']), [['a', 'f', '{}'], ['b', 'f', '{"x":1}']])
  t.strictSame(callsOf(['a', 'f', '{"x"'], ['b', undefined, ':1}']), [['a', 'f', '{"x":1}']], 'but one without a name does not')
  t.end()
})

t.test('a fragment with the id of an earlier call belongs to it', t => {
  t.strictSame(callsOf(['a', 'f', ''], ['b', 'f', ''], ['a', undefined, '{"x"'], [undefined, undefined, ':1}'], ['b', 'f', '{}']), [['a', 'f', '{"x":1}'], ['b', 'f', '{}']])
  t.end()
})

t.test('without ids, another name starts another call', t => {
  t.strictSame(callsOf([undefined, 'f', ''], [undefined, 'g', '{}']), [[undefined, 'f', ''], [undefined, 'g', '{}']])
  t.strictSame(callsOf(['a', 'f', '{'], ['a', 'g', '}']), [['a', 'f', '{}']], 'but not with the same id')
  t.strictSame(callsOf(['a', undefined, '{'], [undefined, 'f', '}']), [['a', 'f', '{}']], 'a name that arrives late is not another one')
  t.end()
})

t.test('without ids, the same name starts another call if the arguments so far are complete', t => {
  t.strictSame(callsOf([undefined, 'f', '{"x"'], [undefined, 'f', ':1}'], [undefined, 'f', '{}']), [[undefined, 'f', '{"x":1}'], [undefined, 'f', '{}']])
  t.strictSame(callsOf([undefined, 'f', '{}'], [undefined, 'f', ''], [undefined, undefined, '{"x":1}']), [[undefined, 'f', '{}'], [undefined, 'f', '{"x":1}']])
  t.strictSame(callsOf([undefined, 'f', ''], [undefined, 'f', '{"x"'], [undefined, 'f', ':1}'], [undefined, 'f', '']), [[undefined, 'f', '{"x":1}']], 'but a server that repeats it with each fragment may do so once more')
  t.end()
})

t.test('two fragments with the same name and key in one event are two calls', t => {
  t.strictSame(callsOf([undefined, 'f', ''], [undefined, 'f', '', { isRepeatedKey: true }]), [[undefined, 'f', ''], [undefined, 'f', '']])
  t.strictSame(callsOf([undefined, 'f', '{"x"'], [undefined, 'f', ':1}', { isRepeatedKey: true }]), [[undefined, 'f', '{"x":1}']], 'unless the second one completes the first')
  t.end()
})

t.test('a fragment without anything new writes no delta', t => {
  const { calls, deltas } = setup()
  for (const id of ['a', 'a', undefined]) calls.write({ key: 0, id, name: undefined, text: '' })
  t.strictSame(deltas, [{ type: 'tool-call', index: 0, id: 'a', name: undefined, arguments: '' }])
  t.end()
})

t.test('a call can have two keys', t => {
  const { calls } = setup()
  calls.write({ key: 0, alias: 'x', id: 'a', name: 'f', text: '' })
  calls.write({ key: 'x', id: undefined, name: undefined, text: '{' })
  calls.write({ key: 0, id: undefined, name: undefined, text: '}' })
  t.strictSame(calls.parts.map(({ text }) => text), ['{}'])
  t.end()
})

t.test('without a key, a fragment belongs to the call that was started last', t => {
  const { calls } = setup()
  calls.write({ key: 0, id: 'a', name: 'f', text: '[' })
  calls.write({ key: 'x', id: 'b', name: 'f', text: '{' })
  calls.write({ key: undefined, id: undefined, name: undefined, text: '}' })
  t.strictSame(calls.parts.map(({ text }) => text), ['[', '{}'])
  t.end()
})

t.test('a fragment without any content starts no call', t => {
  const { calls } = setup()
  calls.write({ key: 0, id: undefined, name: undefined, text: '' })
  calls.writeFinal({ text: '', items: [0] }, undefined, 1)
  t.strictSame(calls.parts, [])
  t.end()
})

t.test('a call without arguments gets its initial ones when it ends, unless they are only assumed', t => {
  const { calls, deltas } = setup()
  calls.write({ key: 0, id: 'a', name: 'f', text: '', initialArguments: '{"x":1}' })
  calls.write({ key: 1, id: 'b', name: 'f', text: '' })
  calls.write({ key: 2, id: 'c', name: 'f', text: '', isText: true })
  calls.write({ key: 3, id: 'd', name: 'f', text: '{}', initialArguments: '{"y":1}' })
  for (const key of [0, 0, 1, 2, 3, 4]) calls.end(key)
  t.strictSame(deltas.slice(4), [{ type: 'tool-call', index: 0, id: undefined, name: undefined, arguments: '{"x":1}' }])
  calls.endAll(true)
  t.strictSame(deltas.slice(5), [{ type: 'tool-call', index: 1, id: undefined, name: undefined, arguments: '{}' }], 'text input may be empty')
  t.end()
})

t.test('an empty object that may stand for arguments which follow is written at the end if there are none', t => {
  const write = (isComplete: boolean, ...texts: string[]): string => {
    const { calls, deltas } = setup()
    for (const text of texts) calls.write({ key: 0, id: 'a', name: 'f', text, isProvisional: true })
    calls.endAll(isComplete)
    return deltas.map(delta => delta.type === 'tool-call' ? delta.arguments : '').join('|')
  }
  t.equal(write(true, '{}', '{"x"', ':1}'), '|{"x"|:1}')
  t.equal(write(true, '{}'), '|{}')
  t.equal(write(false, '{}', ''), '|{}', 'the answer was cut short, but the call was not')
  t.strictSame(callsOf([undefined, 'f', '{}', { isProvisional: true }], [undefined, 'f', '{}', { isProvisional: true }]).length, 2, 'two calls')
  t.end()
})

t.test('arguments that repeat what was sent of them are read once', t => {
  t.strictSame(callsOf(['a', 'f', '{"x'], ['a', 'f', '{"x":{'], ['a', undefined, '{"x":{'], ['a', undefined, '{"x":{}}'], ['a', undefined, '{"x":{}}']), [['a', 'f', '{"x":{}}']])
  t.strictSame(callsOf(['a', 'f', '{"x":1}'], ['a', undefined, '{"x":1}']), [['a', 'f', '{"x":1}']])
  t.strictSame(callsOf(['a', 'f', '{"x":"{'], ['a', undefined, '{"']), [['a', 'f', '{"x":"{{"']], 'but not a fragment that looks like their beginning')
  t.strictSame(callsOf(['a', 'f', '{', { isText: true }], ['a', undefined, '{{']), [['a', 'f', '{{{']], 'nor text')
  t.strictSame(callsOf(['a', 'f', '{'], ['a', undefined, '{']), [['a', 'f', '{{']])
  t.strictSame(callsOf(['a', 'f', '{"x":'], ['a', undefined, '{"x":{}}}']), [['a', 'f', '{"x":{"x":{}}}']], 'a value that begins as its object')
  t.end()
})

t.test('the end of a final value may begin as the arguments do', t => {
  const { calls } = setup()
  calls.write({ key: 0, id: 'a', name: 'f', text: '{"x":{' })
  calls.writeFinal({ id: 'a', text: '', items: [] }, { part: calls.parts[0]!, rest: '{"x":{}}}' }, 1)
  t.equal(calls.parts[0]!.text, '{"x":{{"x":{}}}')
  t.end()
})

t.test('no arguments are assumed if the answer was cut short', t => {
  const { calls, deltas } = setup()
  calls.write({ key: 0, id: 'a', name: 'f', text: '' })
  calls.endAll(false)
  t.equal(deltas.length, 1)
  t.end()
})

t.test('half a character of the arguments is held, separately for each call', t => {
  const { calls, deltas } = setup()
  const write = (key: number, text: string): void => { calls.write({ key, id: undefined, name: undefined, text }) }
  write(0, '"\ud83d')
  write(1, '"\ud83d')
  write(0, '\ude00"')
  t.match(deltas, [{ index: 0, arguments: '"' }, { index: 1, arguments: '"' }, { index: 0, arguments: '😀"' }])
  calls.endAll(true)
  t.match(deltas.slice(3), [{ index: 1, arguments: '\uFFFD' }])
  t.equal(deltas.length, 4)
  t.end()
})

t.test('the rest of a final value is written, and a call that was not streamed is started', t => {
  const { calls, deltas } = setup()
  calls.write({ key: 0, id: undefined, name: 'f', text: '{"x"' })
  calls.parts[0]!.cover(1, 4)
  const value = { id: 'a', name: 'f', text: '{"x":1}', items: [0] }
  calls.writeFinal(value, { part: calls.parts[0]!, rest: ':1}' }, 1)
  calls.writeFinal({ ...value, id: 'b', items: [1], isText: true }, undefined, 1)
  t.strictSame(deltas.slice(1), [
    { type: 'tool-call', index: 0, id: 'a', name: undefined, arguments: ':1}' },
    { type: 'tool-call', index: 1, id: 'b', name: 'f', arguments: '{"x":1}' }
  ])
  t.ok(calls.has(1))
  t.strictSame(calls.parts.map(call => call.uncovered(1)), [undefined, undefined])
  t.end()
})

t.test('tool calls have at most two megabytes of arguments', t => {
  const { calls } = setup()
  calls.write({ key: 0, id: 'a', name: 'f', text: `{"x":"${'x'.repeat(2_000_000)}` })
  t.throws(() => calls.write({ key: 0, id: undefined, name: undefined, text: 'x'.repeat(200_000) }), { code: 'too_large' })
  const { calls: many } = setup()
  t.throws(() => { for (let key = 0; key < 40_000; key++) many.write({ key, id: `${key}`, name: 'f', text: '' }) }, { code: 'too_large' })
  t.end()
})
