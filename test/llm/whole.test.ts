import t from 'tap'
import { readWhole } from '../../plugin/llm/whole.ts'

t.test('a text comes when all of it is there', t => {
  const texts: string[] = []
  const reader = readWhole(100, text => { texts.push(text) })
  for (const byte of Buffer.from('größer 😀')) reader.feed(Uint8Array.of(byte))
  t.strictSame(texts, [])
  reader.end()
  t.strictSame(texts, ['größer 😀'])
  t.end()
})

t.test('a character that is cut off is replaced', t => {
  const reader = readWhole(100, text => { t.equal(text, 'x\uFFFD') })
  t.plan(1)
  reader.feed(Buffer.from('x\xE2', 'latin1'))
  reader.end()
})

t.test('it has a limit', t => {
  const reader = readWhole(100, () => {})
  reader.feed(Buffer.alloc(100, 'x'))
  t.throws(() => { reader.feed(Buffer.from('x')) }, { code: 'too_large' })
  t.end()
})
