import assert from 'node:assert/strict'
import { constants } from 'node:buffer'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { SSE_ERR_EVENT } from '../../plugin/base/errors.ts'
import { assertEncodable, assertUnreserved, encode, encodeComment, encodeRetry, event, HEARTBEAT, isEventType, serialize, SseEvent, type SseFields } from '../../plugin/wire/event.ts'
import { detailed } from '../fixtures/detailed.ts'
import { decode } from '../fixtures/client.ts'

interface Vector {
  name: string
  event: SseFields & { data?: unknown }
  decodes: Array<{ data: string, event?: string, id?: string, retry?: number }>
}

const vectors = JSON.parse(readFileSync(new URL('../fixtures/vectors/wire.json', import.meta.url), 'utf8')) as {
  events: Vector[]
  rejected: Array<Omit<Vector, 'decodes'>>
}

const json = (data: unknown): string => JSON.stringify(data)

function encodeEvent ({ data, ...fields }: Vector['event'], space = false): string {
  return encode(serialize(data, json), fields, space)
}

/** The text as a client may receive it: in two chunks, split after each byte, including before the first and after the last. */
function splits (text: string): string[][] {
  const bytes = Buffer.from(text)
  return Array.from({ length: bytes.length + 1 }, (_, at) => {
    const decoder = new TextDecoder()
    return [decoder.decode(bytes.subarray(0, at), { stream: true }), decoder.decode(bytes.subarray(at))]
  })
}

for (const space of [false, true]) {
  t.test(`a parser decodes what was encoded ${space ? 'with' : 'without'} a space after the colon, however it is split`, async t => {
    for (const { name, event, decodes } of vectors.events) {
      const text = encodeEvent(event, space)
      const expected = decodes.map(({ data, event, id }) => ({ data, event, id }))
      const expectedRetries = decodes.flatMap(({ retry }) => retry ?? [])
      for (const chunks of splits(text)) {
        const { events, retries } = decode(...chunks)
        t.strictSame(events, expected, name)
        t.strictSame(retries, expectedRetries, `${name}: retry`)
      }
    }
  })
}

t.test('an id without data dispatches no event', async t => {
  t.equal(encodeEvent({ id: '1' }), 'id:1\n\n')
  t.strictSame(decode(encodeEvent({ id: '1' })).events, [])
})

t.test('a field that would corrupt the stream or be ignored by clients throws', async t => {
  for (const { name, event } of vectors.rejected) t.throws(() => encodeEvent(event), { code: 'SSE_ERR_EVENT' }, name)
  const rows: Array<[fields: object, message: string]> = [
    [{ retry: NaN }, 'Event field `retry` must be a non-negative integer of milliseconds; received NaN'],
    [{ id: NaN }, 'Event field `id` must be a finite number, or a string without line breaks and control characters; received NaN'],
    [{ id: {} }, 'Event field `id` must be a finite number, or a string without line breaks and control characters; received an object'],
    [{ id: 'a\nb' }, 'Event field `id` must be a finite number, or a string without line breaks and control characters; received "a\\nb"'],
    [{ event: 5 }, 'Event field `event` must be a string; received 5'],
    [{ event: 'a\0' }, 'Event field `event` must be a single line without NUL; received "a\\u0000"'],
    [{ comment: 5 }, 'Event field `comment` must be a string; received 5'],
    [{ type: 'tick' }, 'Unknown event field `type`; expected one of event, id, retry, comment']
  ]
  for (const [fields, message] of rows) t.throws(() => encode('x', fields, false), { code: 'SSE_ERR_EVENT', ...detailed(message) })
  t.throws(() => encodeComment(null as unknown as string, false), { code: 'SSE_ERR_EVENT', ...detailed('Event field `comment` must be a string; received null') })
})

t.test('an event without data and fields throws', async t => {
  for (const fields of [undefined, {}, { id: undefined }, { event: '' }]) {
    t.throws(() => encode(undefined, fields, false), { code: 'SSE_ERR_EVENT', message: 'An event must have data or at least one field' })
  }
})

t.test('strings are not serialized, and undefined stays undefined', async t => {
  const serializer = (): string => { throw new Error('not called') }
  t.equal(serialize('"text"', serializer), '"text"')
  t.equal(serialize('', serializer), '')
  t.equal(serialize(undefined, serializer), undefined)
})

t.test('data that the serializer does not convert to a string throws', async t => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  for (const data of [1n, circular, () => {}, Symbol('s')]) t.throws(() => serialize(data, json), { code: 'SSE_ERR_SERIALIZE' })
  t.throws(() => serialize(() => {}, json), { message: 'Event data could not be serialized', detail: 'the serializer must return a string, and returned undefined for a function' })
  t.throws(() => serialize({}, () => { throw new Error('no') }), { message: 'Event data could not be serialized', detail: 'no', cause: { message: 'no' } })
  // eslint-disable-next-line no-throw-literal -- this test is about it
  t.throws(() => serialize({}, () => { throw 'no' }), { message: 'Event data could not be serialized', detail: "Not an error, but 'no'", cause: 'no' })
  const asynchronous = (async () => { throw new Error('lost') }) as unknown as () => string
  t.throws(() => serialize({}, asynchronous), { code: 'SSE_ERR_SERIALIZE', detail: 'The callback `serializer` must return a string', cause: { code: 'SSE_ERR_CALLBACK', detail: 'it returned a promise' } })
  t.throws(() => serialize({}, () => { throw Object.freeze(new Error('frozen')) }), { code: 'SSE_ERR_SERIALIZE', detail: 'frozen' })
})

t.test('fields are written in a fixed order, and a blank line ends the event', async t => {
  t.equal(encodeEvent({ data: 'd1\nd2', retry: 5000, event: 'tick', id: '7', comment: 'c' }), ':c\nid:7\nevent:tick\nretry:5000\ndata:d1\ndata:d2\n\n')
  t.equal(encodeEvent({ data: 'd', id: '7', comment: '' }, true), ': \nid: 7\ndata: d\n\n')
})

t.test('a comment keeps its lines and dispatches no event', async t => {
  t.equal(encodeComment('a\r\nb\rc', false), ':a\n:b\n:c\n\n')
  t.equal(encodeComment('', false), ':\n\n')
  t.strictSame(decode(encodeComment(' a\ndata: x', false)), { events: [], comments: [' a', 'data: x'], retries: [] })
})

t.test('a retry before the first event and a heartbeat dispatch nothing, also for clients that dispatch at every blank line', async t => {
  t.equal(encodeRetry(0, false), 'retry:0\n')
  t.equal(encodeRetry(5, true), 'retry: 5\n')
  t.throws(() => encodeRetry(-1, false), { code: 'SSE_ERR_EVENT' })
  t.equal(HEARTBEAT, ':\n')
  t.strictSame(decode(encodeRetry(7, false)), { events: [], comments: [], retries: [7] })
  t.strictSame(decode(HEARTBEAT), { events: [], comments: [''], retries: [] })
})

t.test('event types that start with sse- are reserved', async t => {
  t.throws(() => assertUnreserved({ event: 'sse-ready' }), { code: 'SSE_ERR_EVENT', ...detailed('Event types that start with `sse-` are reserved; received "sse-ready"') })
  for (const fields of [{ event: 'sse' }, { event: 'a-sse-b' }, { event: 5 as unknown as string }, {}, undefined]) t.doesNotThrow(() => assertUnreserved(fields))
})

t.test('an event type is a non-empty single line without NUL', async t => {
  for (const type of ['tick', ' ', 'ключ', 'a:b']) t.ok(isEventType(type), type)
  for (const type of ['', 'a\nb', 'a\rb', 'a\0b', 5, null, undefined]) t.notOk(isEventType(type), String(type))
})

t.test('event() returns data with its fields', async t => {
  t.strictSame(event('x', { id: '1' }), new SseEvent('x', { id: '1' }))
  t.strictSame(event('x'), new SseEvent('x', {}))
})

t.test('a parser decodes any event that encode() accepts', async t => {
  // Arbitrary code units, in which line breaks, colons, spaces and lone surrogates are more frequent than by chance.
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom('\n', '\r', '\r\n', ':', ' ', '\0', '\uFEFF', '\uD800', '\uDC00', '\u2028', 'data'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }))
  })
  const line = fc.oneof({ weight: 4, arbitrary: text.map(text => text.replaceAll(/\p{Cc}/gu, '')) }, text)
  const fields = fc.record({
    data: text,
    event: line,
    id: line,
    comment: text,
    retry: fc.oneof({ weight: 4, arbitrary: fc.nat() }, fc.double(), fc.integer())
  }, { requiredKeys: [] })
  const wellFormed = (value: string): string => Buffer.from(value).toString()
  let accepted = 0

  fc.assert(fc.property(fields, fc.boolean(), fc.nat(), (event, space, at) => {
    let text: string
    try {
      text = encodeEvent(event, space)
    } catch (error) {
      return error instanceof SSE_ERR_EVENT
    }
    accepted++
    const sentinel = encode('sentinel', undefined, space)
    const all = splits(text + sentinel)
    const { events, retries } = decode(...all[at % all.length]!)
    const expected = event.data === undefined
      ? []
      : [{
          data: wellFormed(event.data).replaceAll(/\r\n|\r/g, '\n'),
          event: event.event === undefined || event.event === '' ? undefined : wellFormed(event.event),
          id: event.id === undefined ? undefined : wellFormed(event.id)
        }]
    assert.deepEqual(events.slice(0, -1), expected)
    assert.equal(events.at(-1)?.data, 'sentinel')
    assert.deepEqual(retries, event.retry === undefined ? [] : [event.retry + 0], '-0 is written as 0')
    return true
  }), { numRuns: 5_000 })
  t.ok(accepted > 2_000, `${accepted} of 5000 events were accepted`)
})

t.test('fields that are not an object are refused', async t => {
  for (const fields of [null, 5, 'delta', true]) t.throws(() => encode('x', fields as SseFields, false), { code: 'SSE_ERR_EVENT', ...detailed(`Event fields must be an object; received ${JSON.stringify(fields)}`) })
})

t.test('data that does not fit in one string with its framing is refused', async t => {
  const data = 'x'.repeat(constants.MAX_STRING_LENGTH - 1024 * 1024 + 1)
  t.throws(() => encode(data, undefined, false), { code: 'SSE_ERR_EVENT', message: /^Event data must not exceed \d+ characters$/, detail: /^received \d+$/ })
  t.throws(() => assertEncodable(data, {}), { code: 'SSE_ERR_EVENT' })
})
