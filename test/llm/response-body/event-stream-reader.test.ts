import t from 'tap'
import { eventStreamReader } from '../../../plugin/llm/response-body/event-stream-reader.ts'
import { ModelError } from '../../../plugin/llm/model-error.ts'

const ignore = (): void => {}

type Received = Array<[data: string, type: string]>

function read (text: string, chunkSize = Infinity, maxBytes = 1_000): Received {
  const events: Received = []
  const reader = eventStreamReader(maxBytes, (data, type) => { events.push([data, type]) }, line => { events.push([line, 'JSON']) })
  const bytes = Buffer.from(text)
  for (let start = 0; start < bytes.length; start += chunkSize) reader.feed(bytes.subarray(start, start + chunkSize))
  reader.end()
  return events
}

t.test('events are read from chunks of any size, with any line ends', async t => {
  for (const end of ['\n', '\r\n', '\r']) {
    const text = ['\uFEFFdata: größer 😀', '', ': comment', 'event: two', 'data: a', 'data:b', 'id: 7', '', 'retry: 5', 'data: {"x":1}', '', ''].join(end)
    const expected: Received = [['größer 😀', 'message'], ['a\nb', 'two'], ['{"x":1}', 'message']]
    t.strictSame(read(text), expected, JSON.stringify(end))
    t.strictSame(read(text, 1), expected, `${JSON.stringify(end)}, byte by byte`)
  }
})

t.test('an event is read as soon as its blank line arrives', async t => {
  for (const text of ['data: x\n\n', 'data: x\r\n\r\n', 'data: x\r\r']) {
    const events: string[] = []
    const reader = eventStreamReader(100, data => { events.push(data) }, ignore)
    reader.feed(Buffer.from(text))
    t.strictSame(events, ['x'], JSON.stringify(text))
    reader.feed(Buffer.from('\ndata: y'))
    reader.end()
    t.strictSame(events, ['x', 'y'])
  }
})

t.test('the last event needs neither a blank line nor a line end', async t => {
  for (const end of ['', '\n', '\r', '\r\n', '\n\n', '\r\r', '\r\n\r\n']) t.strictSame(read(`data: x${end}`), [['x', 'message']], JSON.stringify(end))
  t.strictSame(read(''), [], 'an empty body has no event')
  const events: string[] = []
  const reader = eventStreamReader(100, data => { events.push(data) }, ignore)
  reader.feed(Buffer.from('data: x\xE2', 'latin1'))
  reader.end()
  t.strictSame(events, ['x\uFFFD'], 'an incomplete character is replaced')
})

t.test('the field `error` is read as an error event, and other unknown fields are ignored', async t => {
  t.strictSame(read('error: {"message":"no"}\n\nnonsense\n\nretry: soon\n\n'), [['{"message":"no"}', 'error']])
})

t.test('an event with empty data is ignored unless its type is error', async t => {
  t.strictSame(read('data:\n\ndata: \n\nevent: ping\ndata:\n\nevent: error\ndata:\n\ndata: x\n\n'), [['', 'error'], ['x', 'message']])
})

t.test('an event above the size limit fails with too_large', async t => {
  const tooLarge = { name: 'ModelError', code: 'too_large' }
  t.strictSame(read(`data: ${'x'.repeat(100)}\n\n`, 7, 100).length, 1)
  t.throws(() => read(`data: ${'x'.repeat(101)}\n\n`, Infinity, 100), tooLarge, 'in one chunk')
  t.throws(() => read('x'.repeat(107), 7, 100), tooLarge, 'a line without an end')
  t.throws(() => read('data: xxxx\n'.repeat(30), 7, 100), tooLarge, 'many lines')
  t.strictSame(read('data: xxxx\n\n'.repeat(30), 7, 100).length, 30, 'the limit applies to each event')
})

t.test('the size limit counts bytes, wherever the body is split', async t => {
  const tooLarge = { name: 'ModelError', code: 'too_large' }
  for (const chunkSize of [1, 7, Infinity]) {
    t.strictSame(read(`data: ${'你'.repeat(33)}x\n\n`, chunkSize, 100), [[`${'你'.repeat(33)}x`, 'message']], '100 bytes')
    t.throws(() => read(`data: ${'你'.repeat(33)}xx\n\n`, chunkSize, 100), tooLarge, '101 bytes')
    t.strictSame(read(`data:${'你'.repeat(11)}\ndata: ${'é'.repeat(33)}\n\n`, chunkSize, 100).length, 1, '100 bytes in two lines')
    t.throws(() => read(`data:${'你'.repeat(11)}\ndata: ${'é'.repeat(33)}x\n\n`, chunkSize, 100), tooLarge, '101 bytes in two lines')
    t.throws(() => read('😀'.repeat(27), chunkSize, 100), tooLarge, 'a line without an end')
  }
})

t.test('feed and end rethrow what onEvent throws', async t => {
  const reader = eventStreamReader(100, data => { throw new Error(data) }, ignore)
  t.throws(() => { reader.feed(Buffer.from('data: x\n\n')) }, { message: 'x' })
  const other = eventStreamReader(100, data => { throw new Error(data) }, ignore)
  other.feed(Buffer.from('data: y'))
  t.throws(() => { other.end() }, { message: 'y' })
})

t.test('a line of JSON between events is passed on, wherever it is split', async t => {
  for (const chunkSize of [1, 5, Infinity]) {
    t.strictSame(read('data: a\n\n{"error": "a:b"}\ndata: b\n\n[{"x":1}]', chunkSize), [['a', 'message'], ['{"error":"a:b"}', 'JSON'], ['b', 'message'], ['[{"x":1}]', 'JSON']])
  }
  t.strictSame(read('unknown: {}\n\n'), [])
})

t.test('half an event at the end of the body is truncated, not malformed', t => {
  const reject = (): void => { throw new ModelError('bad_chunk') }
  for (const half of ['data: {"a', 'data: {"a\n']) {
    const reader = eventStreamReader(100, reject, () => {})
    reader.feed(Buffer.from(half))
    t.throws(() => { reader.end() }, { code: 'truncated', cause: { code: 'bad_chunk' } })
  }
  t.throws(() => { eventStreamReader(100, reject, () => {}).feed(Buffer.from('data: {"a\n\n')) }, { code: 'bad_chunk' })
  const failing = eventStreamReader(100, () => { throw new ModelError('upstream_failed') }, () => {})
  failing.feed(Buffer.from('data: {"a'))
  t.throws(() => { failing.end() }, { code: 'upstream_failed' })
  t.end()
})
