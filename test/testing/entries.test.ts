import t from 'tap'
import { assertEntry, assertRising, idsOf } from '../../plugin/testing/entries.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'

t.test('idsOf() returns the ids of entries', async t => {
  t.strictSame(idsOf([new SseEntry('e.1-0', {}), new SseEntry('e.2-0', {})]), ['e.1-0', 'e.2-0'])
})

t.test('assertRising() throws unless each id is later than the previous one', async t => {
  for (const ids of [[], ['e.1-0'], ['e.1-0', 'e.1-1', 'e.10-0']]) t.doesNotThrow(() => assertRising(ids))
  t.throws(() => assertRising(['e.1-0', 'e.2-0', 'e.2-0']), { code: 'ERR_ASSERTION', message: 'e.2-0 follows e.2-0' })
  t.throws(() => assertRising(['e.2-0', 'e.1-0']), { code: 'ERR_ASSERTION' })
})

t.test('assertEntry() throws unless an entry is exactly what was published', async t => {
  const payload = { data: 'data', event: 'event', retry: 5, comment: 'comment', key: 'key' }
  t.doesNotThrow(() => assertEntry(new SseEntry('e.1-0', payload), 'e.1-0', payload))
  const wrong = [
    new SseEntry('e.2-0', payload),
    ...['data', 'event', 'retry', 'comment', 'key'].map(field => new SseEntry('e.1-0', { ...payload, [field]: undefined })),
    { ...new SseEntry('e.1-0', payload) } as SseEntry
  ]
  for (const entry of wrong) t.throws(() => assertEntry(entry, 'e.1-0', payload), { code: 'ERR_ASSERTION' })
})
