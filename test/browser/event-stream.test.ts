import { deepStrictEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import fc from 'fast-check'
import t, { type Test } from 'tap'

// The decoder of the demo's pages, a classic script, beside a parser that is not ours.

type Item = { kind: 'event', type: string, data: string, lastEventId: string } | { kind: 'comment', text: string } | { kind: 'retry', ms: number }

interface Decoder {
  lastEventId: string
  push (bytes: Uint8Array): { text: string, items: Item[] }
  end (): { text: string, incomplete: boolean }
}

runInThisContext(readFileSync(new URL('../../static/event-stream.js', import.meta.url), 'utf8'))
const { EventStreamDecoder } = globalThis as unknown as { EventStreamDecoder: new (lastEventId?: string) => Decoder }

interface Fields { data?: unknown, event?: string, id?: string | number, retry?: unknown, comment?: string }
interface Vector { name: string, event: Fields, decodes: Array<{ data: string, event?: string, id?: string, retry?: number }> }

const vectors: { events: Vector[], rejected: Vector[] } =
  JSON.parse(readFileSync(new URL('../fixtures/vectors/wire.json', import.meta.url), 'utf8'))

const ENDS = { LF: '\n', CR: '\r', CRLF: '\r\n' }
const SPACES = { 'a space': ' ', 'no space': '' }

/** An event as a server may write it; fields are not looked at, so that it may come out corrupt. */
function write ({ data, event, id, retry, comment }: Fields, end: string, space: string): string {
  const line = (field: string, value: string) => `${field}:${value.startsWith(' ') ? ' ' : space}${value}${end}`
  const lines = (field: string, text: string) => text.split(/\r\n|\n|\r/).map(value => line(field, value)).join('')
  return [
    comment === undefined ? '' : lines('', comment),
    event === undefined ? '' : line('event', event),
    id === undefined ? '' : line('id', String(id)),
    retry === undefined ? '' : line('retry', String(retry)),
    data === undefined ? '' : lines('data', typeof data === 'string' ? data : JSON.stringify(data)),
    end
  ].join('')
}

function read (...chunks: Uint8Array[]) {
  const decoder = new EventStreamDecoder()
  const decoded = chunks.map(chunk => decoder.push(chunk))
  const { text, incomplete } = decoder.end()
  return {
    text: decoded.map(({ text }) => text).join('') + text,
    items: decoded.flatMap(({ items }) => items),
    lastEventId: decoder.lastEventId,
    incomplete
  }
}

/** Reads bytes whole, cut in two at every byte, and byte by byte, which all have to come to the same. */
function readAnyhow (t: Test, bytes: Uint8Array) {
  const whole = read(bytes)
  for (let at = 0; at <= bytes.length; at++) {
    const cut = read(bytes.subarray(0, at), bytes.subarray(at))
    if (JSON.stringify(cut) !== JSON.stringify(whole)) t.strictSame(cut, whole, `cut at byte ${at}`)
  }
  t.strictSame(read(...Array.from(bytes, byte => Uint8Array.of(byte))), whole, 'byte by byte')
  return whole
}

const bytesOf = (text: string) => new TextEncoder().encode(text)

interface Rows { events: Array<[type: string, data: string, id?: string]>, comments: string[], retries: number[] }

/** What the other parser reads. */
function readByOther (bytes: Uint8Array): Rows {
  const rows: Rows = { events: [], comments: [], retries: [] }
  const parser = createParser({
    onEvent: ({ event = 'message', data, id }: EventSourceMessage) => { rows.events.push(id === undefined ? [event, data] : [event, data, id]) },
    onComment: comment => { rows.comments.push(comment) },
    onRetry: retry => { rows.retries.push(retry) }
  })
  const text = new TextDecoder().decode(bytes)
  parser.feed(text)
  // It waits for what follows a CR; a LF that does changes nothing.
  if (text.endsWith('\r')) parser.feed('\n')
  return rows
}

function asRows (items: Item[]): Rows {
  return {
    events: items.flatMap(item => item.kind === 'event' ? [[item.type, item.data, item.lastEventId]] : []),
    comments: items.flatMap(item => item.kind === 'comment' ? [item.text] : []),
    retries: items.flatMap(item => item.kind === 'retry' ? [item.ms] : [])
  }
}

/** @param ours is changed: the other parser names an id only where the event has one of its own */
function sameAs (other: Rows, ours: Rows): Rows {
  other.events.forEach((event, index) => { if (event.length === 2) ours.events[index]?.splice(2) })
  return ours
}

t.test('every event of the vectors reads back as it should', async t => {
  for (const { name, event, decodes } of vectors.events) {
    for (const [endName, end] of Object.entries(ENDS)) {
      for (const [spaceName, space] of Object.entries(SPACES)) {
        t.test(`${name}, ${endName}, ${spaceName}`, async t => {
          const bytes = bytesOf(write(event, end, space))
          const { text, items, incomplete } = readAnyhow(t, bytes)
          const ours = asRows(items)
          t.equal(text, new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes), 'the text is as it was sent')
          t.strictSame(ours.events, decodes.map(({ event = 'message', data, id = '' }) => [event, data, id]), 'events')
          t.strictSame(ours.retries, decodes.flatMap(({ retry }) => retry ?? []), 'retries')
          t.equal(incomplete, false, 'complete')
          const other = readByOther(bytes)
          t.strictSame(sameAs(other, ours), other, 'as the other parser')
        })
      }
    }
  }
})

t.test('what a server ought to have refused reads as the other parser reads it', async t => {
  for (const { name, event } of vectors.rejected) {
    t.test(name, async t => {
      const bytes = bytesOf(write(event, '\n', ''))
      const other = readByOther(bytes)
      t.strictSame(sameAs(other, asRows(readAnyhow(t, bytes).items)), other)
    })
  }
})

t.test('all events of the vectors after one another, the last id outliving its event', async t => {
  const bytes = bytesOf(vectors.events.map(({ event }) => write(event, '\n', '')).join(''))
  const { items, lastEventId } = read(bytes)
  let last = ''
  const expected = vectors.events.flatMap(({ event, decodes }) => {
    if (event.id !== undefined) last = String(event.id)
    return decodes.map(({ event = 'message', data }) => [event, data, last])
  })
  t.strictSame(asRows(items).events, expected)
  t.equal(lastEventId, last)
})

t.test('the standard, rule by rule', async t => {
  const event = (data: string, lastEventId = '', type = 'message'): Item => ({ kind: 'event', type, data, lastEventId })
  const rows: Array<[rule: string, stream: string, items: Item[], incomplete?: boolean]> = [
    ['an empty stream has no event', '', []],
    ['a byte order mark at the start is no part of the stream', '\uFEFFdata:a\n\n', [event('a')]],
    ['a second one is, and makes the field unknown', '\uFEFF\uFEFFdata:a\n\ndata:b\n\n', [event('b')]],
    ['so does one that is not at the start', 'data:a\n\n\uFEFFdata:b\n\n', [event('a')]],
    ['an event whose blank line is missing is discarded', 'data:a\n\ndata:b\n', [event('a')], true],
    ['so is a line whose end is missing', 'data:a\n\ndata:b', [event('a')], true],
    ['line ends may be mixed', 'data:a\r\ndata:b\rdata:c\n\r\ndata:d\r\rdata:e\n\n', [event('a\nb\nc'), event('d'), event('e')]],
    ['a field without a colon has an empty value', 'data\n\ndata\ndata\n\n', [event(''), event('\n')]],
    ['one space after the colon is dropped, not two', 'data:  a\n\n', [event(' a')]],
    ['names of fields are compared as they are', 'Data:a\n data:b\ndata :c\n\n', []],
    ['the last type of an event counts, and none is left for the next', 'event:a\nevent:b\ndata:1\n\ndata:2\n\n', [event('1', '', 'b'), event('2')]],
    ['an event without data dispatches nothing, and leaves no type', 'event:a\n\ndata:1\n\n', [event('1')]],
    ['an id without data counts for what follows', 'id:1\n\ndata:a\n\n', [event('a', '1')]],
    ['an id is there until another comes, an empty one too', 'id:1\ndata:a\n\ndata:b\n\nid\ndata:c\n\n', [event('a', '1'), event('b', '1'), event('c')]],
    ['an id with a NUL is ignored', 'id:1\nid:2\0\ndata:a\n\n', [event('a', '1')]],
    ['retry is digits only', 'retry:10\nretry:1e3\nretry:-1\nretry:\nretry: 020\nretry:٣\n\n', [{ kind: 'retry', ms: 10 }, { kind: 'retry', ms: 20 }]],
    ['comments are no events', ':\n: a\n\n:b\ndata:c\n\n', [{ kind: 'comment', text: '' }, { kind: 'comment', text: 'a' }, { kind: 'comment', text: 'b' }, event('c')]],
    ['a comment is no part of an event that could be incomplete', 'data:a\n\n:b\n', [event('a'), { kind: 'comment', text: 'b' }]]
  ]
  for (const [rule, stream, items, incomplete = false] of rows) {
    t.test(rule, async t => {
      const read = readAnyhow(t, bytesOf(stream))
      t.strictSame(read.items, items)
      t.equal(read.incomplete, incomplete)
      t.equal(read.text, stream, 'the text is as it was sent')
    })
  }
})

t.test('an event ended by CR is there before what follows', async t => {
  t.equal(new EventStreamDecoder().push(bytesOf('data:a\r\r')).items.length, 1)
})

t.test('an id counts only from the end of its event on', async t => {
  t.equal(read(bytesOf('id:1\ndata:a\n\nid:2\ndata:b\n')).lastEventId, '1')
})

t.test('the id with which a client has come back is the last one until another comes', async t => {
  const decoder = new EventStreamDecoder('7')
  t.equal(decoder.lastEventId, '7')
  const { items } = decoder.push(bytesOf('data:a\n\nid:8\ndata:b\n\n'))
  t.strictSame(asRows(items).events, [['message', 'a', '7'], ['message', 'b', '8']])
  t.equal(decoder.lastEventId, '8')
})

t.test('bytes that are no UTF-8 become U+FFFD, and end no event', async t => {
  const { items, text } = readAnyhow(t, Uint8Array.from([...bytesOf('data:'), 0xFF, 0xE2, 0x82, ...bytesOf('\n\ndata:'), 0xE2]))
  t.strictSame(asRows(items).events, [['message', '\uFFFD\uFFFD', '']])
  t.equal(text, 'data:\uFFFD\uFFFD\n\ndata:\uFFFD', 'a character that never got whole is shown at the end')
})

t.test('any stream in any chunks reads as the other parser reads it', async t => {
  const piece = fc.constantFrom('data', 'data:', 'id:', 'event:', 'retry:', ':', ' ', '\n', '\n\n', '\r', '\r\n', '1', 'é', '😀', '\0', '\uFEFF')
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat(100)), (pieces, cuts) => {
    const bytes = bytesOf(pieces.join(''))
    const edges = [0, ...cuts.filter(cut => cut < bytes.length).sort((a, b) => a - b), bytes.length]
    const { items } = read(...edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge)))
    const other = readByOther(bytes)
    deepStrictEqual(sameAs(other, asRows(items)), other)
  }), { numRuns: 2_000 }))
})
