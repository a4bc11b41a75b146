import t from 'tap'
import { Batch } from '../../plugin/channels/batch.ts'
import { filterBatches } from '../../plugin/channels/filtered-batch.ts'
import type { Subscription } from '../../plugin/channels/subscription.ts'
import { entryAt, FakeChannel } from '../fixtures/subscription.ts'

/** A channel that delivers a batch. */
function channelWith (name: string, ...times: number[]): FakeChannel {
  const channel = new FakeChannel(name)
  channel.batch = new Batch(times.map(ms => entryAt(ms)))
  return channel
}

function filtered (...subscriptions: Subscription[]): unknown {
  const { batch, isLast } = filterBatches(subscriptions)
  return [batch?.entries.map(({ data }) => data), isLast]
}

t.test('the batches of several channels are merged in the order of ids', async t => {
  const [a, b] = [channelWith('a', 1, 4, 5), channelWith('b', 2, 3, 6)]
  t.strictSame(filtered(a.subscribe(), b.subscribe()), [['1', '2', '3', '4', '5', '6'], false])
})

t.test('unwanted entries are left out', async t => {
  const a = channelWith('a', 1, 2, 3)
  t.strictSame(filtered(a.subscribe({ filter: ({ data }) => data !== '2' })), [['1', '3'], false])
  t.strictSame(filtered(a.subscribe({ filter: () => false })), [undefined, false])
  t.strictSame(filtered(a.subscribe({ filter: () => false }), channelWith('b', 4).subscribe({ filter: () => false })), [undefined, false])
})

t.test('a batch that is wanted as a whole is shared', async t => {
  const a = channelWith('a', 1, 2)
  t.equal(filterBatches([a.subscribe({ filter: () => true })]).batch, a.batch)
  t.not(filterBatches([a.subscribe({ filter: ({ data }) => data === '1' })]).batch, a.batch)
})

t.test('entries after the one that ends the stream are left out', async t => {
  const [a, b] = [channelWith('a', 1, 4), channelWith('b', 2, 3)]
  t.strictSame(filtered(a.subscribe(), b.subscribe({ until: ({ data }) => data === '2' })), [['1', '2'], true])
  const shared = channelWith('a', 1, 2)
  const subscription = shared.subscribe({ until: ({ data }) => data === '2' })
  t.strictSame(filtered(subscription), [['1', '2'], true])
  t.equal(filterBatches([subscription]).batch, shared.batch)
})

t.test('an unwanted entry does not end the stream', async t => {
  const a = channelWith('a', 1, 2)
  t.strictSame(filtered(a.subscribe({ filter: ({ data }) => data !== '1', until: ({ data }) => data === '1' })), [['2'], false])
})

t.test('the error of a filter and of `until` is thrown', async t => {
  const a = channelWith('a', 1)
  const fail = (): boolean => { throw new Error('thrown by the application') }
  t.throws(() => filterBatches([a.subscribe({ filter: fail })]), { message: 'thrown by the application' })
  t.throws(() => filterBatches([a.subscribe({ until: fail })]), { message: 'thrown by the application' })
})
