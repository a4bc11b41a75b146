import { readFileSync } from 'node:fs'
import { createParser } from 'eventsource-parser'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { EventStreamParser, type StreamItem } from '../../plugin/client/parser.ts'
import { encode, serialize, type SseFields } from '../../plugin/wire/event.ts'

interface Vector {
  name: string
  event: SseFields & { data?: unknown }
  decodes: Array<{ data: string, event?: string, id?: string, retry?: number }>
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL('../fixtures/vectors/wire.json', import.meta.url), 'utf8')).events

const ENDS = { LF: '\n', CR: '\r', CRLF: '\r\n' }

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const event = (data: string, id = '', type = 'message'): StreamItem => ({ kind: 'event', message: { type, data, id } })
const id = (id: string): StreamItem => ({ kind: 'id', id })
const COMMENT: StreamItem = { kind: 'comment' }

function read (...chunks: Uint8Array[]): StreamItem[] {
  const parser = new EventStreamParser(1_000)
  return chunks.flatMap(chunk => Array.from(parser.push(chunk)))
}

/** Reads bytes whole, cut in two at every byte, and byte by byte, which all have to come to the same. */
function readAnyhow (t: Test, bytes: Uint8Array): StreamItem[] {
  const whole = read(bytes)
  for (let at = 0; at <= bytes.length; at++) {
    const cut = read(bytes.subarray(0, at), bytes.subarray(at))
    if (JSON.stringify(cut) !== JSON.stringify(whole)) t.strictSame(cut, whole, `cut at byte ${at}`)
  }
  t.strictSame(read(...Array.from(bytes, byte => Uint8Array.of(byte))), whole, 'byte by byte')
  return whole
}

t.test('every event of the vectors reads back as it was meant, whatever its line ends', async t => {
  for (const { name, event: { data, ...fields }, decodes } of vectors) {
    for (const [endName, end] of Object.entries(ENDS)) {
      for (const space of [false, true]) {
        const text = encode(serialize(data, JSON.stringify), fields, space).replaceAll('\n', end)
        const items = readAnyhow(t, bytesOf(text))
        t.strictSame(
          items.filter(({ kind }) => kind === 'event'),
          decodes.map(({ data, id, event: type }) => event(data, id, type)),
          `${name}, ${endName}, ${space ? 'with' : 'without'} a space`
        )
        t.strictSame(
          items.flatMap(item => item.kind === 'retry' ? [item.ms] : []),
          decodes.flatMap(({ retry }) => retry ?? []),
          `${name}, ${endName}: retry`
        )
      }
    }
  }
})

t.test('the standard holds in its corners', async t => {
  const rows: Array<[rule: string, stream: string, items: StreamItem[]]> = [
    ['one byte order mark at the beginning is none of the first field', '\uFEFFdata:a\n\n', [event('a')]],
    ['a second one is', '\uFEFF\uFEFFdata:a\n\n', [id('')]],
    ['so is one that comes later', 'data:a\n\n\uFEFFdata:b\n\n', [event('a'), id('')]],
    ['line ends may be mixed', 'data:a\r\ndata:b\rdata:c\n\r\ndata:d\r\rdata:e\n\n', [event('a\nb\nc'), event('d'), event('e')]],
    ['an event without its blank line is discarded', 'data:a\n\ndata:b\n', [event('a')]],
    ['a field without a colon has an empty value', 'data\n\ndata\ndata\n\n', [event(''), event('\n')]],
    ['one space after the colon is dropped, not two', 'data:  a\n\n', [event(' a')]],
    ['names of fields are compared as they are', 'Data:a\n data:b\ndata :c\nother:d\n\n', [id('')]],
    ['the last type of an event counts, and none is left for the next', 'event:a\nevent:b\ndata:1\n\ndata:2\n\n', [event('1', '', 'b'), event('2')]],
    ['an event without data leaves no type', 'event:a\n\ndata:1\n\n', [id(''), event('1')]],
    ['an id without data counts', 'id:1\n\ndata:a\n\n', [id('1'), event('a', '1')]],
    ['an id stays until another comes, an empty one too', 'id:1\ndata:a\n\ndata:b\n\nid\ndata:c\n\n', [event('a', '1'), event('b', '1'), event('c')]],
    ['an id with a NUL is ignored', 'id:1\nid:2\0\ndata:a\n\n', [event('a', '1')]],
    ['retry is digits only', 'retry:10\nretry:1e3\nretry:-1\nretry:\nretry: 020\nretry:٣\n\n', [{ kind: 'retry', ms: 10 }, { kind: 'retry', ms: 20 }, id('')]],
    ['comments are no events', ':\n: a\ndata:b\n\n', [COMMENT, COMMENT, event('b')]]
  ]
  for (const [rule, stream, items] of rows) t.strictSame(readAnyhow(t, bytesOf(stream)), items, rule)
})

t.test('bytes that are no UTF-8 become U+FFFD, and end no event', async t => {
  t.strictSame(readAnyhow(t, Uint8Array.from([...bytesOf('data:'), 0xFF, 0xE2, 0x82, ...bytesOf('\n\n')])), [event('\uFFFD\uFFFD')])
})

t.test('an event that ends with CR is there before what follows', async t => {
  t.strictSame(read(bytesOf('data:a\r\r')), [event('a')])
})

t.test('the id of the connection before stays until another comes', async t => {
  const parser = new EventStreamParser(1_000, '7')
  t.strictSame(Array.from(parser.push(bytesOf(':\n\ndata:a\n\nid\n\n'))), [COMMENT, id('7'), event('a', '7'), id('')])
})

t.test('the data of an event has no more characters than it may have, however it comes', async t => {
  const LIMIT = 10
  /** What comes of a stream, and whether it is too large. */
  const limited = (stream: string): unknown[] => {
    const results = [bytesOf(stream).length, 1].map(size => {
      const parser = new EventStreamParser(LIMIT)
      const items: unknown[] = []
      try {
        for (const bytes = bytesOf(stream), cut = { at: 0 }; cut.at < bytes.length; cut.at += size) {
          for (const item of parser.push(bytes.subarray(cut.at, cut.at + size))) items.push(item)
        }
      } catch (error) {
        items.push((error as { code: string }).code)
      }
      return items
    })
    t.strictSame(results[1], results[0], 'byte by byte')
    return results[0]!
  }
  t.strictSame(limited(`data: ${'é'.repeat(LIMIT)}\n\n`), [event('é'.repeat(LIMIT))])
  t.strictSame(limited(`data:a\n\ndata: ${'é'.repeat(LIMIT + 1)}\n\n`), [event('a'), 'SSE_ERR_TOO_LARGE'], 'what came before is given')
  t.strictSame(limited('data:1234\ndata:67890\n\n'), [event('1234\n67890')])
  t.strictSame(limited('data:1234\ndata:678901\n\n'), ['SSE_ERR_TOO_LARGE'])
  t.strictSame(limited('data\n'.repeat(LIMIT + 2)), ['SSE_ERR_TOO_LARGE'])
  t.strictSame(limited(`:${'x'.repeat(20)}`), ['SSE_ERR_TOO_LARGE'], 'a line that does not end')
  t.strictSame(limited(':\n'.repeat(100)), Array(100).fill(COMMENT), 'comments are not kept')
})

t.test('any stream in any chunks reads as another parser reads it', async t => {
  const line = fc.tuple(
    fc.constantFrom('data', 'data', 'id', 'event', 'retry', '', 'x'),
    fc.constantFrom(':', ': ', ''),
    fc.constantFrom('', '1', '20', 'é', '😀', ' ', '\0', ':', '\uFEFF'),
    fc.constantFrom('\n', '\r', '\r\n', '\n\n', '\r\r', '\r\n\r\n')
  ).map(parts => parts.join(''))
  const piece = fc.oneof({ weight: 2, arbitrary: line }, fc.constantFrom('data', 'id', ':', ' ', '\n', '\r', '\r\n', '1', 'é', '\0', '\uFEFF'))
  let events = 0
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(piece, { maxLength: 40, size: 'max' }), fc.array(fc.nat(200)), (pieces, cuts) => {
    const bytes = bytesOf(pieces.join(''))
    const edges = [0, ...cuts.filter(cut => cut < bytes.length).sort((a, b) => a - b), bytes.length]
    const items = read(...edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge)))
    const other = readByOther(bytes)
    // The other parser names an id only where the event has one of its own, and no event without data.
    const ours = items.filter(({ kind }) => kind !== 'id').map((item, index) => {
      const own = other[index]
      return item.kind !== 'event' || own?.message?.id !== undefined ? item : { kind: 'event', message: { ...item.message, id: undefined } }
    })
    if (JSON.stringify(ours) !== JSON.stringify(other)) throw new Error(`${JSON.stringify(ours)}\n${JSON.stringify(other)}`)
    events += other.filter(({ kind }) => kind === 'event').length
  }), { numRuns: 3_000 }))
  t.ok(events > 1_000, `${events} events`)
})

function readByOther (bytes: Uint8Array): Array<{ kind: string, message?: { type: string, data: string, id: string | undefined }, ms?: number }> {
  const items: ReturnType<typeof readByOther> = []
  const parser = createParser({
    onEvent: ({ event: type = 'message', data, id }) => { items.push({ kind: 'event', message: { type, data, id } }) },
    onComment: () => { items.push({ kind: 'comment' }) },
    onRetry: ms => { items.push({ kind: 'retry', ms }) }
  })
  const text = new TextDecoder().decode(bytes)
  parser.feed(text)
  // It waits for what follows a CR; a LF that does changes nothing.
  if (text.endsWith('\r')) parser.feed('\n')
  return items
}
