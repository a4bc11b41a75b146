import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { SSE_ERR_EVENT } from '../../plugin/base/errors.ts'
import { assertUnreserved, encode, encodeComment, event, serialize, SseEvent, type SseFields } from '../../plugin/wire/event.ts'
import { decode } from '../fixtures/client.ts'

interface Case {
  name: string
  event: SseFields & { data?: unknown }
  decodes: Array<{ data: string, event?: string, id?: string, retry?: number }>
}

const vectors = JSON.parse(readFileSync(new URL('fixtures/vectors/wire.json', import.meta.url), 'utf8')) as {
  events: Case[]
  rejected: Array<Omit<Case, 'decodes'>>
}

const INVALID = { code: 'SSE_ERR_EVENT' }

const json = (data: unknown): string => JSON.stringify(data)

function wire ({ data, ...fields }: Case['event'], space = false): string {
  return encode(serialize(data, json), fields, space)
}

/** The bytes, as text that a client would be fed: whole, and cut in two at every byte. */
function cuts (text: string): string[][] {
  const bytes = Buffer.from(text)
  return Array.from({ length: bytes.length + 1 }, (_, at) => {
    const decoder = new TextDecoder()
    return [decoder.decode(bytes.subarray(0, at), { stream: true }), decoder.decode(bytes.subarray(at))]
  })
}

for (const space of [false, true]) {
  t.test(`what is encoded ${space ? 'with' : 'without'} a space after the colon reads back as it was meant`, async t => {
    for (const { name, event, decodes } of vectors.events) {
      const text = wire(event, space)
      const expected = decodes.map(({ data, event, id }) => ({ data, event, id }))
      const retries = decodes.flatMap(({ retry }) => retry ?? [])
      for (const chunks of cuts(text)) {
        const { events, retries: got } = decode(...chunks)
        t.strictSame(events, expected, name)
        t.strictSame(got, retries, `${name}: retry`)
      }
    }
  })
}

t.test('an id without data is the last id of the next event', async t => {
  t.equal(decode(wire({ id: '1' }) + wire({ data: 'x' })).events[0]?.id, undefined, 'the parser gives it to the client, not to the event')
  t.equal(wire({ id: '1' }), 'id:1\n\n')
})

t.test('what would corrupt the stream is refused', async t => {
  for (const { name, event } of vectors.rejected) t.throws(() => wire(event), INVALID, name)
  t.throws(() => wire({ data: 'x', retry: NaN }), INVALID, 'retry NaN')
  t.throws(() => wire({ data: 'x', id: NaN }), INVALID, 'id NaN')
  t.throws(() => wire({ data: 'x', id: {} as string }), INVALID, 'an object for an id')
  t.throws(() => wire({ data: 'x', event: 5 as unknown as string }), INVALID, 'a number for a type')
  t.throws(() => wire({ data: 'x', comment: 5 as unknown as string }), INVALID, 'a number for a comment')
  t.throws(() => encodeComment(null as unknown as string, false), INVALID, 'no comment')
  t.throws(() => wire({ data: 'x', type: 'tick' } as SseFields), {
    code: 'SSE_ERR_EVENT',
    message: 'The event has no field `type`: there are event, id, retry, comment'
  })
  t.throws(() => wire({ data: 'x', id: 'a\nb' }), {
    message: 'The event has the id \'a\\nb\': it must be a string on one line, without control characters, or a finite number'
  })
})

t.test('data that cannot be serialized is refused, with what the serializer said', async t => {
  const circular: Record<string, unknown> = {}
  circular.self = circular
  for (const data of [1n, circular, () => {}, Symbol('s')]) t.throws(() => wire({ data }), { code: 'SSE_ERR_SERIALIZE' })
  t.throws(() => wire({ data: undefined }), INVALID)
  t.throws(() => serialize({}, () => { throw new Error('by the serializer') }), { message: /by the serializer/, cause: { message: 'by the serializer' } })
  // eslint-disable-next-line no-throw-literal -- that is what it is about
  t.throws(() => serialize({}, () => { throw 'a string' }), { message: /a string/ })
})

t.test('fields come in a fixed order, and the event ends with one blank line', async t => {
  t.equal(wire({ data: 'd1\nd2', retry: 5000, event: 'tick', id: '7', comment: 'c' }), ':c\nid:7\nevent:tick\nretry:5000\ndata:d1\ndata:d2\n\n')
  t.equal(wire({ data: 'd', id: '7', comment: '' }, true), ': \nid: 7\ndata: d\n\n')
})

t.test('a comment is on as many lines as it has, and no client dispatches it', async t => {
  t.equal(encodeComment('a\r\nb\rc', false), ':a\n:b\n:c\n\n')
  t.equal(encodeComment('', false), ':\n\n')
  t.strictSame(decode(encodeComment(' a\ndata: x', false)), { events: [], comments: [' a', 'data: x'], retries: [] })
})

t.test('types that begin with sse- are this package\'s own', async t => {
  t.throws(() => assertUnreserved({ event: 'sse-ready' }), INVALID)
  t.doesNotThrow(() => assertUnreserved({ event: 'sse' }))
  t.doesNotThrow(() => assertUnreserved({}))
  t.doesNotThrow(() => assertUnreserved(undefined))
})

t.test('event() makes an item with its fields', async t => {
  t.strictSame(event('x', { id: '1' }), new SseEvent('x', { id: '1' }))
  t.strictSame(event('x'), new SseEvent('x', {}))
})

t.test('any event that is accepted reads back as it was sent', async t => {
  // Any code units at all, with line ends, colons, spaces and lone surrogates more often than by chance.
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
      text = wire(event, space)
    } catch (error) {
      return error instanceof SSE_ERR_EVENT
    }
    accepted++
    const sentinel = encode('sentinel', undefined, space)
    const all = cuts(text + sentinel)
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
    assert.deepEqual(retries, event.retry === undefined ? [] : [event.retry + 0], 'without the sign of -0')
    return true
  }), { numRuns: 5_000 })
  t.ok(accepted > 2_000, `${accepted} of 5000 were accepted`)
})
