import t from 'tap'
import { parseEntry, parseEntryMessage, parseMarkerMessage, stringifyPayload } from '../../plugin/redis/message-format.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'

t.test('an entry is read exactly as it was written, even if it contains half a surrogate pair', async t => {
  for (const payload of [{ data: 'x' }, { data: '', event: '', retry: 0, comment: '', key: '' }, { data: '\uD800', comment: '\0\n\u2028' }, { retry: 1 }]) {
    t.strictSame(parseEntry('e.1-0', stringifyPayload(payload)), new SseEntry('e.1-0', payload))
  }
})

t.test('a message with an entry has its epoch, ids and payload', async t => {
  t.strictSame(parseEntryMessage('e\n2-0\n1-3\n["x"]'), { epoch: 'e', id: 'e.2-0', previousId: 'e.1-3', payload: '["x"]' })
})

t.test('a message with a marker has its name, epoch and the last id', async t => {
  t.strictSame(parseMarkerMessage('7\ne\n2-0\n'), { name: '7', epoch: 'e', lastId: 'e.2-0' })
})
