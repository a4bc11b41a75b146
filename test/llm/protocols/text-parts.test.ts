import t from 'tap'
import type { ModelDelta } from '../../../plugin/llm/index.ts'
import { TextParts } from '../../../plugin/llm/protocols/text-parts.ts'

function setup (): { texts: TextParts, deltas: ModelDelta[], written: () => string[] } {
  const deltas: ModelDelta[] = []
  const texts = new TextParts('text', delta => { deltas.push(delta) })
  return { texts, deltas, written: () => texts.parts.map(({ text }) => text) }
}

t.test('texts are written immediately, and collected by place', t => {
  const { texts, deltas, written } = setup()
  for (const [text, item, position] of [['a', 0, 0], ['b', 0, 0], ['c', 1, 0], ['d', 0, 0], ['e', 1, 1], ['f', undefined, 1], ['g', 1, undefined]] as const) texts.write(text, item, position)
  t.strictSame(deltas, [...'abcdefg'].map(text => ({ type: 'text', text })))
  t.strictSame(written(), ['abd', 'c', 'efg'])
  t.end()
})

t.test('places that are neither positions nor ids count as the same place', t => {
  const { texts, written } = setup()
  for (const place of [{ toString: 5 }, null, [], true]) texts.write('a', place, place)
  t.strictSame(written(), ['aaaa'])
  t.end()
})

t.test('a place that is complete is used again for another part', t => {
  const { texts, written } = setup()
  texts.write('a', 0, 0)
  texts.parts[0]!.cover(1, 1)
  texts.write('b', 0, 0)
  texts.write('c', 0, 0)
  t.strictSame(written(), ['a', 'bc'])
  t.end()
})

t.test('the rest of a final value is written and covered', t => {
  const { texts, deltas, written } = setup()
  texts.write('Hel', 0, 0)
  const [part] = texts.parts
  const value = { text: 'Hello', items: [0] }
  part!.cover(1, 3)
  texts.writeFinal(value, { part: part!, rest: 'lo' }, 1)
  texts.writeFinal(value, { part: part!, rest: '' }, 1)
  texts.writeFinal({ text: 'there', items: [undefined, 'x'], position: 2 }, undefined, 1)
  t.strictSame(deltas, ['Hel', 'lo', 'there'].map(text => ({ type: 'text', text })))
  t.strictSame(written(), ['Hello', 'there'])
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
  const notWritten = (...values: string[]): string[] => {
    const objects = values.map(text => ({ text }))
    texts.omitWritten(objects)
    return objects.map(({ text }) => text)
  }
  t.strictSame(notWritten('He'), ['He'])
  texts.writeFinal({ text: 'He', items: [] }, undefined, 1)
  t.strictSame(notWritten('Hello'), ['llo'])
  t.strictSame(notWritten('llo'), ['llo'], 'a text that follows the last one')
  texts.write('llo', undefined, undefined)
  t.strictSame(notWritten('Hello'), [''])
  t.strictSame(notWritten('Hel', 'lo there', '!'), ['', ' there', '!'], 'divided in another way')
  t.strictSame(notWritten('Hallo', ' there'), ['', ''], 'a contradiction to what was streamed')
  t.end()
})

t.test('text of any length is written once, but only two megabytes are kept for comparison', t => {
  const { texts, deltas, written } = setup()
  const kept = 'x'.repeat(2 * 1024 * 1024 - 64)
  texts.write(kept, 0, 0)
  t.strictSame(written(), [kept])
  texts.write('y', 0, 0)
  texts.write('z', 1, 0)
  t.strictSame(written(), [])
  const repeated = [{ text: `${kept}y` }, { text: 'z' }]
  texts.omitWritten(repeated)
  t.strictSame(repeated, [{ text: '' }, { text: '' }])
  texts.writeFinal({ items: [0], text: `${kept}y` }, undefined, 1)
  t.equal(deltas.map(delta => delta.type === 'text' ? delta.text : '').join(''), `${kept}yz`)
  t.end()
})

t.test('the parts of a text count as well', t => {
  const { texts, written } = setup()
  for (let item = 0; item < 40_000; item++) texts.write('x', item, 0)
  t.strictSame(written(), [])
  t.end()
})
