import t from 'tap'
import { textReader } from '../../../plugin/llm/response-body/text-reader.ts'

t.test('the text is passed on at the end, wherever the body is split', t => {
  const texts: string[] = []
  const reader = textReader(100, text => { texts.push(text) })
  for (const byte of Buffer.from('größer 😀')) reader.feed(Uint8Array.of(byte))
  t.strictSame(texts, [])
  reader.end()
  t.strictSame(texts, ['größer 😀'])
  t.end()
})

t.test('an incomplete last character is replaced', t => {
  t.plan(1)
  const reader = textReader(100, text => { t.equal(text, 'x\uFFFD') })
  reader.feed(Buffer.from('x\xE2', 'latin1'))
  reader.end()
})

t.test('a body above the size limit throws', t => {
  const reader = textReader(100, () => {})
  reader.feed(Buffer.alloc(100, 'x'))
  t.throws(() => { reader.feed(Buffer.from('x')) }, { code: 'too_large' })
  t.end()
})

t.test('the size limit counts bytes', t => {
  t.plan(2)
  const reader = textReader(99, text => { t.equal(text, '你'.repeat(33)) })
  reader.feed(Buffer.from('你'.repeat(33)))
  reader.end()
  t.throws(() => { textReader(98, () => {}).feed(Buffer.from('你'.repeat(33))) }, { code: 'too_large' })
})
