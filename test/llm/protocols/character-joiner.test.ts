import t from 'tap'
import { CharacterJoiner } from '../../../plugin/llm/protocols/character-joiner.ts'

const [HIGH, LOW] = ['\ud83d', '\ude00']
const joined = (...texts: string[]): string[] => {
  const joiner = new CharacterJoiner()
  return [...texts.map(text => joiner.join(text)), joiner.end()]
}

t.test('a character that is divided between texts is joined', t => {
  t.strictSame(joined(HIGH, LOW), ['', '😀', ''])
  t.strictSame(joined(`a${HIGH}`, `${LOW}b`), ['a', '😀b', ''])
  t.strictSame(joined(HIGH, `${LOW}${HIGH}`, LOW), ['', '😀', '😀', ''], 'several in a row')
  t.strictSame(joined('a', '😀', 'é'), ['a', '😀', 'é', ''], 'texts of whole characters remain as they are')
  t.end()
})

t.test('a half whose other half is missing becomes a replacement character', t => {
  t.strictSame(joined(`a${HIGH}`), ['a', '\uFFFD'], 'at the end')
  t.strictSame(joined(HIGH, 'b'), ['', '\uFFFDb', ''], 'before other text')
  t.strictSame(joined(`${LOW}b`), ['\uFFFDb', ''], 'at the beginning')
  t.strictSame(joined(HIGH, HIGH), ['', '\uFFFD', '\uFFFD'], 'twice')
  t.end()
})
