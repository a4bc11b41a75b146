import t from 'tap'
import { readHistory, readLatest, readPages, type HistorySlice } from '../../plugin/channels/history-reader.ts'
import { entryAt, FakeChannel } from '../fixtures/subscription.ts'

const dataOf = ({ entries }: HistorySlice): unknown => entries.map(({ entry }) => entry.data)

t.test('a page of up to 256 entries is read from each channel', async t => {
  const [a, b] = [new FakeChannel('a', Array.from({ length: 300 }, (_, ms) => ms)), new FakeChannel('b', [7])]
  const subscriptions = [a.subscribe(), b.subscribe()]
  const pages = await readPages(subscriptions, undefined)
  t.strictSame(pages.map(({ subscription, page }) => [subscription.channel.name, page.entries.length, page.more]), [['a', 256, true], ['b', 1, false]])
  t.strictSame([a.reads, b.reads], [[undefined], [undefined]])
})

t.test('the history of several channels is merged in the order of ids', async t => {
  const [a, b] = [new FakeChannel('a', [1, 4]), new FakeChannel('b', [2, 3, 5])]
  const slice = await readHistory([a.subscribe(), b.subscribe()], 'e.1-0')
  t.strictSame(dataOf(slice), ['2', '3', '4', '5'])
  t.strictSame([slice.completeUpTo, slice.more], ['e.1000-0', false])
  t.strictSame(slice.pages.map(({ page }) => page.entries.length), [1, 3])
})

t.test('a slice ends with the shortest page, and reading on loses nothing', async t => {
  const [a, b] = [new FakeChannel('a', [1, 2, 3, 8, 9]), new FakeChannel('b', [4, 5, 6, 7])]
  a.pageSize = 2
  const subscriptions = [a.subscribe(), b.subscribe()]
  const slices: unknown[] = []
  let after: string | undefined
  for (let more = true; more;) {
    const slice = await readHistory(subscriptions, after)
    slices.push(dataOf(slice))
    more = slice.more
    after = slice.completeUpTo
  }
  t.strictSame(slices, [['1', '2'], ['3', '4', '5', '6', '7', '8'], ['9']])
})

t.test('there is more if entries of another channel were left for the next slice', async t => {
  const [a, b] = [new FakeChannel('a', [1, 2]), new FakeChannel('b', [5])]
  a.clock = 'e.3-0'
  const slice = await readHistory([a.subscribe(), b.subscribe()], undefined)
  t.strictSame([dataOf(slice), slice.completeUpTo, slice.more], [['1', '2'], 'e.3-0', true])
})

t.test('the latest entry of each key is read from the whole history', async t => {
  const a = new FakeChannel('a')
  a.entries = [entryAt(1, { key: 'x' }), entryAt(2, { key: 'y' }), entryAt(3, { event: 'x' }), entryAt(4), entryAt(5), entryAt(6, { key: 'z' }), entryAt(7, { key: 'y' })]
  a.pageSize = 2
  const slice = await readLatest([a.subscribe()], undefined)
  t.strictSame(dataOf(slice), ['3', '5', '6', '7'], 'the default key is the event type')
  t.strictSame([slice.completeUpTo, slice.more], ['e.1000-0', false])
  t.strictSame(a.reads, [undefined, 'e.2-0', 'e.4-0', 'e.6-0'])
  t.equal(slice.pages.length, 4, 'with all pages, which may report losses')
})

t.test('the same key of another channel is another key', async t => {
  const [a, b] = [new FakeChannel('a', [1, 3]), new FakeChannel('b', [2])]
  t.strictSame(dataOf(await readLatest([a.subscribe(), b.subscribe()], undefined)), ['2', '3'])
})

t.test('the latest entries are the latest wanted ones', async t => {
  const a = new FakeChannel('a', [1, 2, 3])
  t.strictSame(dataOf(await readLatest([a.subscribe({ filter: ({ data }) => data !== '3' })], undefined)), ['2'])
})

t.test('reading the latest entries stops at the one that ends the stream', async t => {
  const a = new FakeChannel('a', [1, 2, 3, 4])
  a.pageSize = 3
  t.strictSame(dataOf(await readLatest([a.subscribe({ until: ({ data }) => data === '2' })], undefined)), ['2'])
  t.strictSame(a.reads, [undefined])
})
