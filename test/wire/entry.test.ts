import t from 'tap'
import { SseEntry, type SsePayload } from '../../plugin/wire/entry.ts'
import { decode } from '../fixtures/client.ts'

const PAYLOAD: SsePayload = { data: 'one\ntwo', event: 'type', retry: 5_000, comment: 'comment', key: 'key' }

for (const space of [false, true]) {
  t.test(`a client reads an entry ${space ? 'with' : 'without'} a space after the colon as it was published`, async t => {
    const entry = new SseEntry('e.1-0', PAYLOAD)
    const { events, comments, retries } = decode(entry.frame(space))
    t.strictSame(events, [{ id: 'e.1-0', event: 'type', data: 'one\ntwo' }])
    t.strictSame(comments, ['comment'])
    t.strictSame(retries, [5_000])
  })

  t.test(`and without its id ${space ? 'with' : 'without'} a space after the colon`, async t => {
    const entry = new SseEntry('e.1-0', PAYLOAD)
    const { events, comments, retries } = decode(entry.frameWithoutId(space))
    t.strictSame(events, [{ id: undefined, event: 'type', data: 'one\ntwo' }])
    t.strictSame(comments, ['comment'])
    t.strictSame(retries, [5_000])
  })
}

t.test('the key stays here', async t => {
  const entry = new SseEntry('e.1-0', { data: 'x', key: 'secret' })
  t.equal(entry.frame(false), 'id:e.1-0\ndata:x\n\n')
  t.equal(entry.frame(true), 'id: e.1-0\ndata: x\n\n')
  t.equal(entry.frameWithoutId(false), 'data:x\n\n')
})

t.test('an entry is what was published then, whatever becomes of it', async t => {
  const payload = { data: 'then' }
  const entry = new SseEntry('e.1-0', payload)
  payload.data = 'later'
  t.equal(entry.data, 'then')
})

t.test('empty data is data', async t => {
  t.strictSame(decode(new SseEntry('e.1-0', { data: '' }).frame(false)).events, [{ id: 'e.1-0', event: undefined, data: '' }])
})

t.test('it counts in a history with its id and all its text, in bytes', async t => {
  t.equal(new SseEntry('e.1-0', {}).bytes, 5)
  t.equal(new SseEntry('e.1-0', PAYLOAD).bytes, 5 + 7 + 4 + 7 + 3)
  for (const field of ['data', 'event', 'comment', 'key']) t.equal(new SseEntry('e.1-0', { [field]: '🦜é' }).bytes, 5 + 4 + 2, field)
})
