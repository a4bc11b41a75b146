import t from 'tap'
import { Batch } from '../../plugin/channels/batch.ts'
import { entryAt } from '../fixtures/subscription.ts'

t.test('a batch is encoded in the order of its entries', async t => {
  const batch = new Batch([entryAt(1), entryAt(2, { event: 'tick' })])
  t.equal(batch.encode(false).text, 'id:e.1-0\ndata:1\n\nid:e.2-0\nevent:tick\ndata:2\n\n')
  t.equal(batch.encode(true).text, 'id: e.1-0\ndata: 1\n\nid: e.2-0\nevent: tick\ndata: 2\n\n')
})

t.test('a batch is encoded once for each kind of framing', async t => {
  const batch = new Batch([entryAt(1)])
  t.equal(batch.encode(false), batch.encode(false))
  t.equal(batch.encode(true), batch.encode(true))
  t.not(batch.encode(true), batch.encode(false))
})

t.test('the last id of a batch is that of its last entry', async t => {
  t.equal(new Batch([entryAt(1), entryAt(2)]).lastId, 'e.2-0')
})
