import t from 'tap'
import { SseEntry, type SsePayload } from '../../plugin/wire/entry.ts'
import { decode } from '../fixtures/client.ts'

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
