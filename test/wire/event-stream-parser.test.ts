import { deepStrictEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createParser } from 'eventsource-parser'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { encode, serialize, type SseFields } from '../../plugin/wire/event.ts'
import { EventStreamParser, type EventStreamItem, type EventStreamParserOptions } from '../../plugin/wire/event-stream-parser.ts'

interface Vector {
  name: string
  event: SseFields & { data?: unknown }
  decodes: Array<{ data: string, event?: string, id?: string, retry?: number }>
}

const vectors: { events: Vector[], rejected: Vector[] } =
  JSON.parse(readFileSync(new URL('../fixtures/vectors/wire.json', import.meta.url), 'utf8'))

const LINE_ENDS = { LF: '\n', CR: '\r', CRLF: '\r\n' }

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const event = (data: string, lastEventId = '', type = 'message'): EventStreamItem => ({ kind: 'event', type, data, lastEventId })
const id = (lastEventId: string): EventStreamItem => ({ kind: 'id', lastEventId })
const retry = (retry: number): EventStreamItem => ({ kind: 'retry', retry })
const comment = (text: string): EventStreamItem => ({ kind: 'comment', text })
const unknown = (field: string, value: string): EventStreamItem => ({ kind: 'unknown', field, value })

interface Parsed { items: EventStreamItem[], lastEventId: string, incomplete: boolean }

function parse (chunks: Uint8Array[], options?: EventStreamParserOptions): Parsed {
  const parser = new EventStreamParser(options)
  const items = chunks.flatMap(chunk => Array.from(parser.push(chunk)))
  return { items, lastEventId: parser.lastEventId, incomplete: parser.incomplete }
}

/** Parses bytes as one chunk, as two chunks split at every byte, and byte by byte, and asserts that the results are equal. */
function parseAnySplit (t: Test, bytes: Uint8Array, options?: EventStreamParserOptions): Parsed {
  const whole = parse([bytes], options)
  for (let at = 0; at <= bytes.length; at++) {
    const split = parse([bytes.subarray(0, at), bytes.subarray(at)], options)
    if (JSON.stringify(split) !== JSON.stringify(whole)) t.strictSame(split, whole, `split at byte ${at}`)
  }
  t.strictSame(parse(Array.from(bytes, byte => Uint8Array.of(byte)), options), whole, 'byte by byte')
  return whole
}

/** An event as a careless server may write it: fields are not checked, so they may corrupt the stream. */
function writeUnchecked ({ data, event, id, retry, comment }: Vector['event']): string {
  const field = (name: string, value: unknown): string => value === undefined ? '' : `${name}: ${value}\n`
  const lines = (name: string, text: string | undefined): string => text?.split(/\r\n|\n|\r/).map(line => field(name, line)).join('') ?? ''
  return [
    lines('', comment), field('event', event), field('id', id), field('retry', retry),
    lines('data', typeof data === 'string' ? data : JSON.stringify(data)), '\n'
  ].join('')
}

t.test('every event of the vectors is parsed, with any line ends, split anywhere', async t => {
  for (const { name, event: { data, ...fields }, decodes } of vectors.events) {
    for (const [endName, end] of Object.entries(LINE_ENDS)) {
      for (const space of [false, true]) {
        const description = `${name}, ${endName}, ${space ? 'with' : 'without'} a space`
        const text = encode(serialize(data, JSON.stringify), fields, space).replaceAll('\n', end)
        const { items, incomplete } = parseAnySplit(t, bytesOf(text))
        t.strictSame(items.filter(({ kind }) => kind === 'event'), decodes.map(({ data, id, event: type }) => event(data, id, type)), description)
        t.strictSame(items.filter(({ kind }) => kind === 'retry'), decodes.flatMap(({ retry: ms }) => ms === undefined ? [] : [retry(ms)]), `${description}: retry`)
        t.equal(incomplete, false)
      }
    }
  }
})

t.test('the id of the last event that had one applies to all later events', async t => {
  let last = ''
  const expected = vectors.events.flatMap(({ event: { id = last }, decodes }) => {
    last = String(id)
    return decodes.map(({ event: type, data }) => event(data, last, type))
  })
  const { items, lastEventId } = parse([bytesOf(vectors.events.map(({ event }) => writeUnchecked(event)).join(''))])
  t.strictSame(items.filter(({ kind }) => kind === 'event'), expected)
  t.equal(lastEventId, last)
})

t.test('events that this package refuses to write are parsed as eventsource-parser parses them', async t => {
  for (const { name, event } of vectors.rejected) {
    const bytes = bytesOf(writeUnchecked(event))
    const expected = parseWithEventsourceParser(bytes)
    t.strictSame(comparable(parseAnySplit(t, bytes).items, expected), expected, name)
  }
})

t.test('the rules of the HTML standard', async t => {
  const rows: Array<[rule: string, stream: string, items: EventStreamItem[], incomplete?: boolean]> = [
    ['an empty stream has no event', '', []],
    ['a byte order mark at the start is removed', '\uFEFFdata:a\n\n', [event('a')]],
    ['a second byte order mark is part of the field name', '\uFEFF\uFEFFdata:a\n\ndata:b\n\n', [unknown('\uFEFFdata', 'a'), event('b')]],
    ['a later byte order mark is part of the field name', 'data:a\n\n\uFEFFdata:b\n\n', [event('a'), unknown('\uFEFFdata', 'b')]],
    ['line ends may be mixed', 'data:a\r\ndata:b\rdata:c\n\r\ndata:d\r\rdata:e\n\n', [event('a\nb\nc'), event('d'), event('e')]],
    ['a blank line may follow a line with a different end', 'data:a\r\n\ndata:b\n\r\ndata:c\r\n\rdata:d\n\rdata:e\r\r\n', ['a', 'b', 'c', 'd', 'e'].map(data => event(data))],
    ['an event without a blank line is discarded', 'data:a\n\ndata:b\n', [event('a')], true],
    ['a line without an end is discarded', 'data:a\n\ndata:b', [event('a')], true],
    ['a field without a colon has an empty value', 'data\n\ndata\ndata\n\n', [event(''), event('\n')]],
    ['one space after the colon is removed', 'data:  a\n\n', [event(' a')]],
    ['field names are case-sensitive and not trimmed', 'Data:a\n data:b\ndata :c\nother\n\n', [unknown('Data', 'a'), unknown(' data', 'b'), unknown('data ', 'c'), unknown('other', '')]],
    ['the last type of an event applies, and only to that event', 'event:a\nevent:b\ndata:1\n\ndata:2\n\n', [event('1', '', 'b'), event('2')]],
    ['an event without data is not dispatched, and its type is discarded', 'event:a\n\ndata:1\n\n', [event('1')]],
    ['an id without data applies to later events', 'id:1\n\n\ndata:a\n\n', [id('1'), event('a', '1')]],
    ['an id applies until another one is set, which may be empty', 'id:1\ndata:a\n\ndata:b\n\nid\ndata:c\n\nid:2\n\nid\n\n', [event('a', '1'), event('b', '1'), event('c'), id('2'), id('')]],
    ['an id with NUL is ignored', 'id:1\nid:2\0\ndata:a\n\n', [event('a', '1')]],
    ['an id that is set again is not new', 'id:1\ndata:a\n\nid:1\n\n', [event('a', '1')]],
    ['retry consists of ASCII digits', 'retry:10\nretry:1e3\nretry:-1\nretry:\nretry: 020\nretry:٣\n\n', [retry(10), retry(20)]],
    ['comments are not part of an event', ':\n: a\ndata:b\n\n:c', [comment(''), comment('a'), event('b')], true],
    ['a comment does not make an event incomplete', 'data:a\n\n:b\n', [event('a'), comment('b')]]
  ]
  for (const [rule, stream, items, incomplete = false] of rows) {
    const parsed = parseAnySplit(t, bytesOf(stream))
    t.strictSame(parsed.items, items, rule)
    t.equal(parsed.incomplete, incomplete, `${rule}: incomplete`)
  }
})

t.test('invalid UTF-8 is replaced and does not end an event', async t => {
  t.strictSame(parseAnySplit(t, Uint8Array.from([...bytesOf('data:'), 0xFF, 0xE2, 0x82, ...bytesOf('\n\n')])).items, [event('\uFFFD\uFFFD')])
})

t.test('a CR ends a line before the next byte arrives, and a LF after it is ignored', async t => {
  const parser = new EventStreamParser()
  t.strictSame(Array.from(parser.push(bytesOf('data:a\r\r'))), [event('a')])
  t.strictSame(Array.from(parser.push(new Uint8Array())), [])
  t.strictSame(Array.from(parser.push(bytesOf('\ndata:b\n\n'))), [event('b')])
})

t.test('the id of the previous connection applies until the stream sets another', async t => {
  const { items } = parse([bytesOf('\n\ndata:a\n\nid\n\n')], { lastEventId: '7' })
  t.strictSame(items, [event('a', '7'), id('')])
  t.equal(new EventStreamParser({ lastEventId: '7' }).lastEventId, '7')
})

t.test('an id counts from the end of its event', async t => {
  t.equal(parse([bytesOf('id:1\ndata:a\n\nid:2\ndata:b\n')]).lastEventId, '1')
})

t.test('items are parsed one by one, so that the last id is that of the item just read', async t => {
  const parser = new EventStreamParser()
  const ids: string[] = []
  for (const { kind } of parser.push(bytesOf('id:1\ndata:a\n\nid:2\ndata:b\n\n'))) ids.push(`${kind} ${parser.lastEventId}`)
  t.strictSame(ids, ['event 1', 'event 2'])
})

t.test('the data of an event and a line have a maximum length', async t => {
  const LIMIT = 10
  const tooLong = new Error('too long')
  /** The items of a stream, followed by the error if it is thrown. */
  const parseLimited = (stream: string): unknown[] => {
    const [whole, bytewise] = [bytesOf(stream).length, 1].map(size => {
      const parser = new EventStreamParser({ maxLength: LIMIT, lengthError: maxLength => maxLength === LIMIT ? tooLong : new Error() })
      const results: unknown[] = []
      try {
        const bytes = bytesOf(stream)
        for (let at = 0; at < bytes.length; at += size) {
          for (const item of parser.push(bytes.subarray(at, at + size))) results.push(item)
        }
      } catch (error) {
        results.push(error)
      }
      return results
    })
    t.strictSame(bytewise, whole, 'byte by byte')
    return whole!
  }
  t.strictSame(parseLimited(`data: ${'é'.repeat(LIMIT)}\n\n`), [event('é'.repeat(LIMIT))])
  t.strictSame(parseLimited(`data:a\n\ndata: ${'é'.repeat(LIMIT + 1)}\n\n`), [event('a'), tooLong], 'earlier events are returned')
  t.strictSame(parseLimited('data:1234\ndata:67890\n\n'), [event('1234\n67890')])
  t.strictSame(parseLimited('data:1234\ndata:678901\n\n'), [tooLong])
  t.strictSame(parseLimited('data\n'.repeat(LIMIT + 2)), [tooLong])
  t.strictSame(parseLimited(`:${'x'.repeat(20)}`), [tooLong], 'a line that does not end')
  t.strictSame(parseLimited(`:${'x'.repeat(20)}\n`), [tooLong], 'a comment')
  t.strictSame(parseLimited(':\n'.repeat(100)), Array(100).fill(comment('')), 'comments do not add up')
  t.throws(() => parse([bytesOf('data:ab\n')], { maxLength: 1 }), new RangeError('An event has more than 1 characters'))
})

t.test('any stream in any chunks is parsed as eventsource-parser parses it', async t => {
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
    const { items } = parse(edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge)))
    const expected = parseWithEventsourceParser(bytes)
    deepStrictEqual(comparable(items, expected), expected)
    events += expected.filter(({ kind }) => kind === 'event').length
  }), { numRuns: 3_000 }))
  t.ok(events > 1_000, `${events} events`)
})

type Comparable = { kind: 'event', type: string, data: string, id: string | undefined } | { kind: 'comment', text: string } | { kind: 'retry', retry: number }

/** eventsource-parser reports an id only with an event that sets one, so ours is compared only there. */
function comparable (items: EventStreamItem[], expected: Comparable[]): Comparable[] {
  return items.filter(item => item.kind !== 'id' && item.kind !== 'unknown').map((item, index) => {
    if (item.kind !== 'event') return item
    const { kind, type, data, lastEventId } = item
    const other = expected[index]
    return { kind, type, data, id: other?.kind === 'event' && other.id === undefined ? undefined : lastEventId }
  })
}

function parseWithEventsourceParser (bytes: Uint8Array): Comparable[] {
  const items: Comparable[] = []
  const parser = createParser({
    onEvent: ({ event: type = 'message', data, id }) => { items.push({ kind: 'event', type, data, id }) },
    onComment: text => { items.push({ kind: 'comment', text }) },
    onRetry: retry => { items.push({ kind: 'retry', retry }) }
  })
  const text = new TextDecoder().decode(bytes)
  parser.feed(text)
  // It waits for the character after a CR. A LF there is part of the same line end.
  if (text.endsWith('\r')) parser.feed('\n')
  return items
}
