import t from 'tap'
import { chunk, SharedText } from '../../plugin/wire/shared-text.ts'

const ASCII = 'data:x\n\n'
const UNICODE = 'data:é🦜\n\n'

t.test('the length is in bytes', async t => {
  t.equal(new SharedText(ASCII).bytes, 8)
  t.equal(new SharedText(UNICODE).bytes, 13)
})

t.test('all transports that write a buffer share it', async t => {
  const text = new SharedText(UNICODE)
  t.equal(text.buffer.toString(), UNICODE)
  t.equal(text.buffer, text.buffer)
})

t.test('a chunk has its length in hexadecimal', async t => {
  t.equal(chunk(ASCII, 8), '8\r\ndata:x\n\n\r\n')
  t.equal(chunk('x'.repeat(26), 26), `1a\r\n${'x'.repeat(26)}\r\n`)
})

t.test('the first caller receives an ASCII chunk as a string, and the others share one buffer', async t => {
  const text = new SharedText(ASCII)
  t.equal(text.takeChunk(), chunk(ASCII, 8))
  const shared = text.takeChunk()
  t.ok(Buffer.isBuffer(shared))
  t.equal(shared.toString(), chunk(ASCII, 8))
  t.equal(text.takeChunk(), shared)
})

t.test('all callers share the buffer of a chunk that is not ASCII', async t => {
  const text = new SharedText(UNICODE)
  const shared = text.takeChunk()
  t.ok(Buffer.isBuffer(shared))
  t.equal(shared.toString(), chunk(UNICODE, 13))
  t.equal(text.takeChunk(), shared)
})
