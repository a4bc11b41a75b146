import t from 'tap'
import { compareEntries } from '../../plugin/channels/subscription.ts'
import { entryAt, FakeChannel } from '../fixtures/subscription.ts'

t.test('a subscription without conditions takes every entry and never ends the stream', async t => {
  const subscription = new FakeChannel('a').subscribe()
  t.equal(subscription.takesEverything, true)
  t.equal(subscription.wants(entryAt(1)), true)
  t.equal(subscription.endsAfter(entryAt(1)), false)
})

t.test('a filter selects entries by their content and channel', async t => {
  const calls: unknown[] = []
  const subscription = new FakeChannel('a').subscribe({
    filter: (entry, channel) => {
      calls.push([entry.id, channel])
      return entry.data === '2'
    }
  })
  t.equal(subscription.takesEverything, false)
  t.equal(subscription.wants(entryAt(1)), false)
  t.equal(subscription.wants(entryAt(2)), true)
  t.strictSame(calls, [['e.1-0', 'a'], ['e.2-0', 'a']])
})

t.test('entries up to `startAfter` are not wanted, and the filter is not called for them', async t => {
  let calls = 0
  const subscription = new FakeChannel('a').subscribe({ filter: () => ++calls > 0 })
  subscription.startAfter = 'e.2-0'
  t.equal(subscription.takesEverything, false)
  t.strictSame([1, 2, 3].map(ms => subscription.wants(entryAt(ms))), [false, false, true])
  t.equal(calls, 1)
  const unfiltered = new FakeChannel('a').subscribe()
  unfiltered.startAfter = 'e.2-0'
  t.equal(unfiltered.takesEverything, false)
})

t.test('`until` decides after which entry the stream ends', async t => {
  const subscription = new FakeChannel('a').subscribe({ until: ({ data }, channel) => channel === 'a' && data === '2' })
  t.equal(subscription.takesEverything, false)
  t.strictSame([1, 2].map(ms => subscription.endsAfter(entryAt(ms))), [false, true])
})

t.test('entries of several channels are sorted by id', async t => {
  const [a, b] = [new FakeChannel('a').subscribe(), new FakeChannel('b').subscribe()]
  const entries = [{ entry: entryAt(3), subscription: a }, { entry: entryAt(10), subscription: b }, { entry: entryAt(2), subscription: b }]
  t.strictSame(entries.sort(compareEntries).map(({ entry }) => entry.id), ['e.2-0', 'e.3-0', 'e.10-0'])
})

t.test('a filter or `until` that returns a promise throws', async t => {
  const rejects = (async () => { throw new Error('lost') }) as unknown as () => boolean
  for (const promised of [rejects, (async () => false) as unknown as () => boolean]) {
    t.throws(() => new FakeChannel('a').subscribe({ filter: promised }).wants(entryAt(1)), { code: 'SSE_ERR_CALLBACK', message: /`filter`/ })
    t.throws(() => new FakeChannel('a').subscribe({ until: promised }).endsAfter(entryAt(1)), { code: 'SSE_ERR_CALLBACK', message: /`until`/ })
  }
  await new Promise(resolve => { setImmediate(resolve) })
})
