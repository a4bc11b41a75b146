import t from 'tap'
import { AnswerPart, matchFinalValues, type FinalValue } from '../../../plugin/llm/protocols/answer-part.ts'

type PlacedText = readonly [text: string, item?: unknown, position?: unknown]

function partsOf (texts: readonly PlacedText[]): AnswerPart[] {
  return texts.map(([text, item, position]) => Object.assign(new AnswerPart(item, position), { text }))
}

/** What was not streamed of each value; the whole value if no part matches. */
function notStreamed (streamed: readonly PlacedText[], values: readonly PlacedText[], isWholeAnswer = true): string[] {
  const finals = values.map(([text, item, position]): FinalValue => ({ text, items: [item, `id-${String(item)}`], position }))
  const matches = matchFinalValues(partsOf(streamed), finals, 1, isWholeAnswer)
  return finals.map(final => matches.get(final)?.rest ?? final.text)
}

t.test('only the end of a final value that was not streamed remains', t => {
  t.strictSame(notStreamed([['Hello', 0, 0]], [['Hello there', 0, 0]]), [' there'])
  t.strictSame(notStreamed([['Hello', 0, 0]], [['Hello', 0, 0]]), [''])
  t.strictSame(notStreamed([['Hello\n', 0, 0]], [['Hello', 0, 0]]), [''], 'the server has trimmed it')
  t.strictSame(notStreamed([['Hello', 0, 0]], [['Goodbye', 0, 0]]), [''], 'deltas cannot be taken back')
  t.strictSame(notStreamed([], [['Hello', 0, 0]]), ['Hello'])
  t.end()
})

t.test('each part of an answer is completed by the value at its place', t => {
  t.strictSame(notStreamed([['He', 0, 0], ['Wor', 1, 0]], [['Hello', 0, 0], ['World', 1, 0]]), ['llo', 'ld'])
  t.strictSame(notStreamed([['OK', 1, 0]], [['OK', 0, 0], ['OK', 1, 0]]), ['OK', ''], 'equal texts')
  t.strictSame(notStreamed([['O', 0, 1]], [['OK', 0, 0], ['OK', 0, 1]]), ['OK', 'K'], 'two parts of one item')
  t.strictSame(notStreamed([['He', 'id-1']], [['first', 0], ['Hello', 1]]), ['first', 'llo'], 'by the id of the item')
  t.end()
})

t.test('without reliable places, a final value is recognized by its text', t => {
  t.strictSame(notStreamed([['HelloWor']], [['Hello', 0, 0], ['World', 1, 0]]), ['', 'ld'], 'no places at all')
  t.strictSame(notStreamed([['Hel', 0, 0]], [['first', 5, 0], ['Hello', 6, 0]]), ['first', 'lo'], 'other positions')
  t.strictSame(notStreamed([['Hel', 'x'], ['lo ', 'y'], ['World', 'z']], [['Hello World!', 0]]), ['!'], 'an id for each delta')
  t.strictSame(notStreamed([['Hel', 1, 0], ['Hello', 4, 0]], [['Hello', 3, 0]]), [''], 'an equal text before one with the same beginning')
  t.strictSame(notStreamed([['Hello', 0, 0]], [['Good', 5, 0], ['bye', 6, 0]]), ['', 'bye'], 'a contradiction at another place, once')
  t.end()
})

t.test('a part that is complete is not extended by a value from another place', t => {
  const rests = ['Hel', 'Hello'].map(text => {
    const parts = partsOf([['Hel', 'x', 0]])
    parts[0]!.cover(1, 3)
    const value: FinalValue = { text, items: ['y'], position: 0 }
    return matchFinalValues(parts, [value], 2, false).get(value)?.rest
  })
  t.strictSame(rests, ['', undefined])
  t.end()
})

t.test('a final value with the id or the alias of its part may come twice in a pass', t => {
  const [byId, byAlias] = partsOf([['{}', 0], ['{}', 1]])
  Object.assign(byId!, { id: 'a' })
  Object.assign(byAlias!, { alias: 'x' })
  const rests = (id: string | undefined, items: unknown[]): Array<string | undefined> => [1, 1].map(pass => {
    const value: FinalValue = { text: '{}', id, items }
    return matchFinalValues([byId!, byAlias!], [value], pass, true).get(value)?.rest
  })
  t.strictSame(rests('a', [7]), ['', ''])
  t.strictSame(rests(undefined, [0, 'x']), ['', ''], 'the alias precedes the place')
  t.strictSame(byAlias!.uncovered(1), undefined)
  t.end()
})

t.test('a value does not extend into a part that is a tool call or that another value covers', t => {
  const calls = partsOf([['{', 0], ['}', 1], ['}', 2]])
  for (const call of calls.slice(0, 2)) call.name = 'f'
  const value: FinalValue = { text: '{}', name: 'f', items: [0] }
  t.equal(matchFinalValues(calls, [value], 1, true).get(value)?.rest, '}')
  t.strictSame(notStreamed([['a', 0, 0], ['b', 1, 0]], [['b', 1, 0], ['ab', 0, 0]]), ['', 'b'])
  t.end()
})

t.test('the final value of one part may belong to a part that was not streamed', t => {
  t.strictSame(notStreamed([['O', 0, 0]], [['OK', 1, 0]], false), ['OK'], 'another position')
  t.strictSame(notStreamed([['O', 0, 0]], [['OK', 0, 1]], false), ['OK'], 'another position in the item')
  t.strictSame(notStreamed([['Hel', 'x']], [['Hello', 1, 0]], false), ['lo'], 'an id that may have changed')
  t.strictSame(notStreamed([['Hel', 'x']], [['Goodbye', 1, 0]], false), ['Goodbye'])
  t.strictSame(notStreamed([['Hello', 'x']], [['Hel', 1, 0]], false), ['Hel'], 'a part is never shorter when it is complete')
  t.strictSame(notStreamed([['Hel', 'x', 1]], [['Hello', 1, 0]], false), ['Hello'], 'another position in the item')
  t.end()
})

t.test('a part is covered once in each pass', t => {
  const parts = partsOf([['Hello']])
  const value: FinalValue = { text: 'Hello', items: [] }
  const rest = (pass: number): string | undefined => matchFinalValues(parts, [value], pass, true).get(value)?.rest
  t.strictSame([rest(1), rest(1), rest(2), rest(2), rest(1)], ['', undefined, '', undefined, undefined])
  t.end()
})

t.test('a tool call is recognized by its id, and never has another id or name', t => {
  const call = (id: string | undefined, name: string | undefined, text: string, item: unknown): AnswerPart => Object.assign(new AnswerPart(item), { id, name, text })
  const parts = [call('a', 'f', '{}', 0), call('b', 'f', '{"x"', 1), call(undefined, 'g', '', 2)]
  const values: FinalValue[] = [
    { id: 'b', name: 'f', text: '{"x":1}', items: [0] }, { id: 'a', name: 'f', text: '{ }', items: [1] },
    { id: 'c', name: 'f', text: '{}', items: [0] }, { id: 'd', name: 'g', text: '{}', items: [2] }
  ]
  const matches = matchFinalValues(parts, values, 1, true)
  t.strictSame(values.map(value => [parts.indexOf(matches.get(value)?.part ?? parts[2]!), matches.get(value)?.rest]), [[1, ':1}'], [0, ''], [2, undefined], [2, '{}']])
  t.end()
})
