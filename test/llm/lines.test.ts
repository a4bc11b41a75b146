import t from 'tap'
import { readLines } from '../../plugin/llm/lines.ts'

function read (chunks: Uint8Array[], maxBytes = 1_000): string[] {
  const lines: string[] = []
  const reader = readLines(maxBytes, line => { lines.push(line.trim()) })
  for (const chunk of chunks) reader.feed(chunk)
  reader.end()
  return lines
}

t.test('it does not matter where lines are cut, or how they end', t => {
  for (const end of ['\n', '\r\n']) {
    for (const start of ['', '\uFEFF']) {
      for (const last of ['', end]) {
        const text = `${start}{"a":"größer 😀"}${end}${end}{"b":2}${last}`
        const expected = ['{"a":"größer 😀"}', '{"b":2}']
        t.strictSame(read([Buffer.from(text)]), expected)
        t.strictSame(read(Array.from(Buffer.from(text), byte => Uint8Array.of(byte))), expected, 'byte by byte')
      }
    }
  }
  t.strictSame(read([]), [])
  t.end()
})

t.test('a line comes when it has ended', t => {
  const lines: string[] = []
  const reader = readLines(100, line => { lines.push(line) })
  reader.feed(Buffer.from('a\nb'))
  t.strictSame(lines, ['a'])
  reader.feed(Buffer.from('\n'))
  t.strictSame(lines, ['a', 'b'])
  t.end()
})

t.test('a line has a limit', t => {
  t.throws(() => read([Buffer.from('x'.repeat(101))], 100), { code: 'too_large' }, 'without an end')
  t.throws(() => read([Buffer.from(`${'x'.repeat(101)}\n`)], 100), { code: 'too_large' }, 'with one')
  t.strictSame(read(Array.from({ length: 30 }, () => Buffer.from('xxxxxxxxx\n')), 100).length, 30, 'but not all of them together')
  t.end()
})
