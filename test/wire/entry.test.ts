import { inspect } from 'node:util'
import t from 'tap'
import { assertPayload, canBeSent, receiveEntry, SseEntry, type SsePayload } from '../../plugin/wire/entry.ts'
import { decode } from '../fixtures/client.ts'
import { INVALID_PAYLOADS } from '../fixtures/invalid-payloads.ts'

const PAYLOAD: SsePayload = { data: 'one\ntwo', event: 'type', retry: 5_000, comment: 'comment', key: 'key' }

for (const space of [false, true]) {
  const spacing = `${space ? 'with' : 'without'} a space after the colon`

  t.test(`a parser decodes an entry ${spacing}`, async t => {
    const { events, comments, retries } = decode(new SseEntry('e.1-0', PAYLOAD).frame(space))
    t.strictSame(events, [{ id: 'e.1-0', event: 'type', data: 'one\ntwo' }])
    t.strictSame(comments, ['comment'])
    t.strictSame(retries, [5_000])
  })

  t.test(`a parser decodes an entry without its id ${spacing}`, async t => {
    const { events, comments, retries } = decode(new SseEntry('e.1-0', PAYLOAD).frameWithoutId(space))
    t.strictSame(events, [{ id: undefined, event: 'type', data: 'one\ntwo' }])
    t.strictSame(comments, ['comment'])
    t.strictSame(retries, [5_000])
  })
}

t.test('the key is not sent', async t => {
  const entry = new SseEntry('e.1-0', { data: 'x', key: 'secret' })
  t.equal(entry.frame(false), 'id:e.1-0\ndata:x\n\n')
  t.equal(entry.frame(true), 'id: e.1-0\ndata: x\n\n')
  t.equal(entry.frameWithoutId(false), 'data:x\n\n')
})

t.test('an entry does not change with the payload it was made from', async t => {
  const payload = { data: 'before' }
  const entry = new SseEntry('e.1-0', payload)
  payload.data = 'after'
  t.equal(entry.data, 'before')
})

t.test('an entry with empty data dispatches an event', async t => {
  t.strictSame(decode(new SseEntry('e.1-0', { data: '' }).frame(false)).events, [{ id: 'e.1-0', event: undefined, data: '' }])
})

t.test('the size of an entry is that of its id and its text in bytes', async t => {
  t.equal(new SseEntry('e.1-0', {}).bytes, 5)
  t.equal(new SseEntry('e.1-0', PAYLOAD).bytes, 5 + 7 + 4 + 7 + 3)
  for (const field of ['data', 'event', 'comment', 'key']) t.equal(new SseEntry('e.1-0', { [field]: '🦜é' }).bytes, 5 + 4 + 2, field)
})

t.test('a payload that cannot be sent is refused', async t => {
  for (const payload of INVALID_PAYLOADS) {
    t.throws(() => assertPayload(payload), { code: 'SSE_ERR_EVENT' }, inspect(payload))
    if (typeof payload === 'object' && payload !== null) t.doesNotThrow(() => new SseEntry('e.1-0', payload), 'it can be received')
  }
  for (const payload of [PAYLOAD, { data: '' }, { event: 'x' }, { retry: 0 }, { comment: '' }, { data: '', event: '' }]) t.doesNotThrow(() => assertPayload(payload))
})

t.test('an entry that can be sent is received as it is, and one of another copy of the package is converted', async t => {
  const entry = new SseEntry('e.1-0', PAYLOAD)
  t.equal(receiveEntry(entry), entry)
  t.equal(canBeSent(entry), true)
  t.equal(receiveEntry(entry), entry)
  const received = receiveEntry({ id: 'e.1-0', ...PAYLOAD })
  t.type(received, SseEntry)
  t.strictSame({ ...received }, { ...entry })
})

t.test('an entry that cannot be sent is not received', async t => {
  for (const payload of INVALID_PAYLOADS) {
    t.throws(() => receiveEntry(payload), { code: 'SSE_ERR_EVENT' })
    t.equal(canBeSent(payload), false)
    if (typeof payload === 'object' && payload !== null) t.throws(() => receiveEntry(new SseEntry('e.1-0', payload)), { code: 'SSE_ERR_EVENT' }, inspect(payload))
  }
  for (const id of ['', 'x', 'e.1-0\n', undefined, 5]) t.throws(() => receiveEntry({ id, data: 'x' }), { code: 'SSE_ERR_EVENT', message: /^The id of an entry must have the form/ })
})
