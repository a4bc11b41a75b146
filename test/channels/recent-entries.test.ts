import t from 'tap'
import { RecentEntries } from '../../plugin/channels/recent-entries.ts'
import { entryAt } from '../fixtures/subscription.ts'

/** Entries from `e.1-0` to `e.<count>-0`. */
function setup (count: number, data?: string) {
  const recent = new RecentEntries()
  recent.startAfter('e.0-0')
  for (let ms = 1; ms <= count; ms++) recent.add(entryAt(ms, data === undefined ? {} : { data }))
  const end = `e.${count}-0`
  return { recent, end, read: (after: string, limit = 1_000) => recent.read(after, limit, end) }
}

t.test('entries are read after any id since the start', async t => {
  const { read } = setup(3)
  for (const [after, ids] of [['e.0-0', ['e.1-0', 'e.2-0', 'e.3-0']], ['e.1-5', ['e.2-0', 'e.3-0']], ['e.2-0', ['e.3-0']], ['e.3-0', []]] as const) {
    t.strictSame(read(after)!.entries.map(({ id }) => id), ids)
  }
})

t.test('a page reports that nothing is missing, and whether there is more', async t => {
  const { read } = setup(3)
  const { entries, ...page } = read('e.1-0', 1)!
  t.strictSame(entries.map(({ id }) => id), ['e.2-0'])
  t.strictSame(page, { more: true, known: true, lost: undefined, clock: 'e.3-0' })
  t.equal(read('e.1-0', 2)!.more, false)
})

t.test('nothing is returned if entries may be missing', async t => {
  const { recent, read } = setup(3)
  for (const after of ['other.1-0', 'not an id', '', 'e.4-0']) t.equal(read(after), undefined, after)
  recent.restartAfter('e.2-0')
  t.equal(read('e.1-0'), undefined)
  t.strictSame(read('e.2-0')!.entries, [])
})

t.test('nothing is returned before the start is known', async t => {
  const recent = new RecentEntries()
  recent.add(entryAt(2))
  t.equal(recent.read('e.1-0', 10, 'e.2-0'), undefined)
  recent.startAfter('e.2-0')
  t.strictSame(recent.read('e.2-0', 10, 'e.2-0')!.entries, [])
})

t.test('the start stays where it is once it is known', async t => {
  const { recent, read } = setup(3)
  recent.startAfter('e.3-0')
  t.equal(read('e.0-0')!.entries.length, 3)
})

t.test('the older half is removed when there are more than 512 entries', async t => {
  const { recent, read } = setup(512)
  t.equal(read('e.0-0')!.entries.length, 512)
  recent.add(entryAt(513))
  t.equal(read('e.256-0'), undefined)
  t.equal(recent.read('e.257-0', 1_000, 'e.513-0')!.entries.length, 256)
})

t.test('the older half is removed when there is more than 1 MiB', async t => {
  const text = 'x'.repeat(256 * 1024 - 'e.1-0'.length)
  const { recent, read } = setup(4, text)
  t.equal(read('e.0-0')!.entries.length, 4)
  recent.add(entryAt(5, { data: text }))
  t.equal(recent.read('e.2-0', 10, 'e.5-0'), undefined)
  t.equal(recent.read('e.3-0', 10, 'e.5-0')!.entries.length, 2)
  for (const ms of [6, 7]) recent.add(entryAt(ms, { data: text }))
  t.equal(recent.read('e.3-0', 10, 'e.7-0')!.entries.length, 4, 'the bytes of removed entries do not count')
})

t.test('an entry of more than 1 MiB is not kept', async t => {
  const { recent } = setup(0)
  recent.add(entryAt(1, { data: 'x'.repeat(2_000_000) }))
  t.equal(recent.read('e.0-0', 10, 'e.1-0'), undefined)
  t.strictSame(recent.read('e.1-0', 10, 'e.1-0')!.entries, [])
})
