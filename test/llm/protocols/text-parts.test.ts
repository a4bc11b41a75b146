import t from 'tap'
import type { ModelDelta } from '../../../plugin/llm/index.ts'
import { TextParts } from '../../../plugin/llm/protocols/text-parts.ts'

function setup (): { texts: TextParts, deltas: ModelDelta[], said: () => string[] } {
  const deltas: ModelDelta[] = []
  const texts = new TextParts('text', delta => { deltas.push(delta) })
  return { texts, deltas, said: () => texts.parts.map(({ text }) => text) }
}

t.test('texts are written as they come, and kept by place', t => {
  const { texts, deltas, said } = setup()
  for (const [text, item, position] of [['a', 0, 0], ['b', 0, 0], ['c', 1, 0], ['d', 0, 0], ['e', 1, 1], ['f', undefined, 1], ['g', 1, undefined]] as const) texts.write(text, item, position)
  t.strictSame(deltas, [...'abcdefg'].map(text => ({ type: 'text', text })))
  t.strictSame(said(), ['abd', 'c', 'efg'])
  t.end()
})

t.test('places that are neither positions nor ids are not told apart', t => {
  const { texts, said } = setup()
  for (const place of [{ toString: 5 }, null, [], true]) texts.write('a', place, place)
  t.strictSame(said(), ['aaaa'])
  t.end()
})

t.test('a place that is complete is used again for another part', t => {
  const { texts, said } = setup()
  texts.write('a', 0, 0)
  texts.parts[0]!.cover(1, 1)
  texts.write('b', 0, 0)
  texts.write('c', 0, 0)
  t.strictSame(said(), ['a', 'bc'])
  t.end()
})

t.test('what is missing of a final value is written, and covered with it', t => {
  const { texts, deltas, said } = setup()
  texts.write('Hel', 0, 0)
  const [part] = texts.parts
  const value = { text: 'Hello', items: [0] }
  part!.cover(1, 3)
  texts.writeFinal(value, { part: part!, rest: 'lo' }, 1)
  texts.writeFinal(value, { part: part!, rest: '' }, 1)
  texts.writeFinal({ text: 'there', items: [undefined, 'x'], position: 2 }, undefined, 1)
  t.strictSame(deltas, ['Hel', 'lo', 'there'].map(text => ({ type: 'text', text })))
  t.strictSame(said(), ['Hello', 'there'])
  t.strictSame(texts.parts.map(({ item, position }) => [item, position]), [[0, 0], ['x', 2]])
  t.strictSame(texts.parts.map(each => each.uncovered(1)), [undefined, undefined])
  t.end()
})

t.test('half a character is held until the next text, wherever it belongs, or the end', t => {
  const { texts, deltas } = setup()
  texts.write('\ud83d', 0, 0)
  t.strictSame(deltas, [])
  texts.write('\ude00\ud83d', 'x', 1)
  texts.end()
  texts.end()
  t.strictSame(deltas, ['😀', '\uFFFD'].map(text => ({ type: 'text', text })))
  t.end()
})

t.test('what was written is removed from texts that repeat all of it', t => {
  const { texts } = setup()
  const unsaid = (...values: string[]): string[] => {
    const objects = values.map(text => ({ text }))
    texts.omitWritten(objects)
    return objects.map(({ text }) => text)
  }
  t.strictSame(unsaid('He'), ['He'])
  texts.writeFinal({ text: 'He', items: [] }, undefined, 1)
  t.strictSame(unsaid('Hello'), ['llo'])
  t.strictSame(unsaid('llo'), ['llo'], 'a text that follows the last one')
  texts.write('llo', undefined, undefined)
  t.strictSame(unsaid('Hello'), [''])
  t.strictSame(unsaid('Hel', 'lo there', '!'), ['', ' there', '!'], 'divided in another way')
  t.strictSame(unsaid('Hallo', ' there'), ['', ''], 'a contradiction to what was streamed')
  t.end()
})
