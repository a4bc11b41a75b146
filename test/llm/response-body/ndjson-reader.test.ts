import t from 'tap'
import { ModelError } from '../../../plugin/llm/model-error.ts'
import { ndjsonReader } from '../../../plugin/llm/response-body/ndjson-reader.ts'

function readLines (chunks: Uint8Array[], maxBytes = 1_000): string[] {
  const lines: string[] = []
  const reader = ndjsonReader(maxBytes, line => { lines.push(line.trim()) })
  for (const chunk of chunks) reader.feed(chunk)
  reader.end()
  return lines
}

t.test('lines are read whatever their line ends, and wherever the body is split', t => {
  for (const lineEnd of ['\n', '\r\n']) {
    for (const start of ['', '\uFEFF']) {
      for (const end of ['', lineEnd]) {
        const text = `${start}{"a":"größer 😀"}${lineEnd}${lineEnd}{"b":2}${end}`
        const expected = ['{"a":"größer 😀"}', '{"b":2}']
        t.strictSame(readLines([Buffer.from(text)]), expected)
        t.strictSame(readLines(Array.from(Buffer.from(text), byte => Uint8Array.of(byte))), expected, 'byte by byte')
      }
    }
  }
  t.strictSame(readLines([]), [])
  t.end()
})

t.test('a line is passed on when its line end is read', t => {
  const lines: string[] = []
  const reader = ndjsonReader(100, line => { lines.push(line) })
  reader.feed(Buffer.from('a\nb'))
  t.strictSame(lines, ['a'])
  reader.feed(Buffer.from('\n'))
  t.strictSame(lines, ['a', 'b'])
  t.end()
})

t.test('a line above the size limit throws', t => {
  t.throws(() => readLines([Buffer.from('x'.repeat(101))], 100), { code: 'too_large' }, 'without a line end')
  t.throws(() => readLines([Buffer.from(`${'x'.repeat(101)}\n`)], 100), { code: 'too_large' }, 'with a line end')
  t.equal(readLines(Array.from({ length: 30 }, () => Buffer.from('xxxxxxxxx\n')), 100).length, 30, 'the limit is per line')
  t.end()
})

t.test('the size limit counts bytes, wherever the line is split', t => {
  const split = (text: string, size: number): Uint8Array[] => {
    const bytes = Buffer.from(text)
    return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
  }
  for (const size of [1, 7, 1_000]) {
    t.strictSame(readLines(split(`${'你'.repeat(33)}x\n`, size), 100), [`${'你'.repeat(33)}x`], '100 bytes')
    t.throws(() => readLines(split(`${'你'.repeat(33)}xx\n`, size), 100), { code: 'too_large' }, '101 bytes')
    t.throws(() => readLines(split('😀'.repeat(26), size), 100), { code: 'too_large' }, 'without a line end')
  }
  t.end()
})

t.test('half a line at the end of the body is truncated, not malformed', t => {
  const reader = ndjsonReader(100, () => { throw new ModelError('bad_chunk') })
  reader.feed(Buffer.from('{"a'))
  t.throws(() => { reader.end() }, { code: 'truncated', cause: { code: 'bad_chunk' } })
  t.throws(() => { reader.feed(Buffer.from('\n')) }, { code: 'bad_chunk' })
  const text = ndjsonReader(100, () => { throw new ModelError('bad_chunk') })
  text.feed(Buffer.from('Internal Server Error'))
  t.throws(() => { text.end() }, { code: 'bad_chunk' }, 'text that is no JSON')
  t.end()
})
