import t from 'tap'
import { parseEntryMessage, parseMarkerMessage } from '../../plugin/redis/message-format.ts'

t.test('a message with an entry has its epoch, ids and payload', async t => {
  t.strictSame(parseEntryMessage('e\n2-0\n1-3\n["x"]'), { epoch: 'e', id: 'e.2-0', previousId: 'e.1-3', payload: '["x"]' })
})

t.test('a message with a marker has its name, epoch and the last id', async t => {
  t.strictSame(parseMarkerMessage('7\ne\n2-0\n'), { name: '7', epoch: 'e', lastId: 'e.2-0' })
})
