import t from 'tap'
import { readEvents } from '../../plugin/llm/events.ts'

type Read = Array<[data: string, type: string | undefined]>

function read (chunks: Uint8Array[], maxBytes = 1_000): Read {
  const events: Read = []
  const reader = readEvents(maxBytes, (data, type) => { events.push([data, type]) })
  for (const chunk of chunks) reader.feed(chunk)
  reader.end()
  return events
}

const bytewise = (text: string): Uint8Array[] => Array.from(Buffer.from(text), byte => Uint8Array.of(byte))

t.test('it does not matter where a stream is cut, or how its lines end', t => {
  const expected: Read = [['größer 😀', undefined], ['a\nb', 'two'], ['{"x":1}', undefined]]
  for (const end of ['\n', '\r\n', '\r']) {
    const text = ['data: größer 😀', '', ': comment', 'event: two', 'data: a', 'data:b', 'id: 7', '', 'retry: 5', 'data: {"x":1}', '', ''].join(end)
    for (const [name, start] of [['', ''], [' with a byte order mark', '\uFEFF']] as const) {
      const name2 = JSON.stringify(end) + name
      t.strictSame(read([Buffer.from(start + text)]), expected, `${name2}, in one piece`)
      t.strictSame(read(bytewise(start + text)), expected, `${name2}, byte by byte`)
      for (let at = 1; at < Buffer.byteLength(start + text); at++) {
        const bytes = Buffer.from(start + text)
        const found = read([bytes.subarray(0, at), bytes.subarray(at)])
        if (JSON.stringify(found) !== JSON.stringify(expected)) t.strictSame(found, expected, `${name2}, cut at ${at}`)
      }
    }
  }
  t.end()
})

t.test('line ends may be of different kinds', t => {
  for (const end of ['\r\n\n', '\n\r\n', '\r\n\r', '\n\r', '\r\r\n']) {
    t.strictSame(read(bytewise(`data: x${end}data: y`)), [['x', undefined], ['y', undefined]], JSON.stringify(end))
    t.strictSame(read([Buffer.from(`data: x${end}data: y`)]), [['x', undefined], ['y', undefined]])
  }
  t.strictSame(read([Buffer.from('data: x\r'), Buffer.from(''), Buffer.from('\ndata: y')]), [['x\ny', undefined]], 'with an empty piece between')
  t.end()
})

t.test('an event comes when its blank line is there, also where a CR ends it', t => {
  for (const text of ['data: x\n\n', 'data: x\r\n\r\n', 'data: x\r\r']) {
    const events: string[] = []
    const reader = readEvents(100, data => { events.push(data) })
    reader.feed(Buffer.from(text))
    t.strictSame(events, ['x'], JSON.stringify(text))
    reader.feed(Buffer.from('\ndata: y'))
    reader.end()
    t.strictSame(events, ['x', 'y'])
  }
  t.end()
})

t.test('the last event needs no blank line, and no end of its line', t => {
  for (const end of ['', '\n', '\r', '\r\n']) t.strictSame(read([Buffer.from(`data: x${end}`)]), [['x', undefined]], JSON.stringify(end))
  t.strictSame(read([Buffer.from('data: x\xE2', 'latin1')]), [['x\uFFFD', undefined]], 'nor the rest of its last character')
  t.strictSame(read([]), [], 'and nothing is nothing')
  t.end()
})

t.test('a field `error` is an error, and other unknown fields are nothing', t => {
  t.strictSame(read([Buffer.from('error: {"message":"no"}\n\nnonsense\n\nretry: soon\n\n')]), [['{"message":"no"}', 'error']])
  t.end()
})

t.test('an event without data is none, unless it is an error', t => {
  t.strictSame(read([Buffer.from('data:\n\ndata: \n\nevent: ping\ndata:\n\nevent: error\ndata:\n\ndata: x\n\n')]), [['', 'error'], ['x', undefined]])
  t.end()
})

t.test('an event has a limit', t => {
  const tooLarge = { code: 'too_large' }
  t.strictSame(read([Buffer.from(`data: ${'x'.repeat(94)}\n\n`)], 100).length, 1)
  t.throws(() => read([Buffer.from(`data: ${'x'.repeat(101)}\n\n`)], 100), tooLarge, 'in one piece')
  t.throws(() => read([Buffer.from('x'.repeat(101))], 100), tooLarge, 'a line without an end')
  t.throws(() => read([Buffer.from(`: ${'x'.repeat(100)}`)], 100), tooLarge, 'a comment without an end')
  t.throws(() => read(Array.from({ length: 30 }, () => Buffer.from('data: xxxx\n')), 100), tooLarge, 'many lines')
  t.strictSame(read(Array.from({ length: 30 }, () => Buffer.from('data: xxxx\n\n')), 100).length, 30, 'but not all of them together')
  t.end()
})

t.test('what the listener throws comes out', t => {
  const reader = readEvents(100, () => { throw new Error('no') })
  t.throws(() => { reader.feed(Buffer.from('data: x\n\n')) }, { message: 'no' })
  t.end()
})
