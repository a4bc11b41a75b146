import t, { type Test } from 'tap'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import type { SseHistory } from '../../plugin/channels/broker.ts'
import { MemoryLog } from '../../plugin/channels/memory-log.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'
import { mockClock } from '../fixtures/clock.ts'

const MINUTE = 60_000
const HISTORY: SseHistory = { count: 100, age: 1_000, bytes: 1_000_000 }
const START = 'e.0-0'

/** A log whose entries have the ids `e.1-0`, `e.2-0` and so on, on a clock that stands still. */
function setup (t: Test) {
  const { clock } = mockClock(t)
  const removed: MemoryLog[] = []
  const owner = { wheel: new TimerWheel(), delivered: START, forgotten: START, removeLog: (log: MemoryLog) => { removed.push(log) } }
  const log = new MemoryLog('a', owner)
  let last = 0
  const received: string[] = []
  return {
    owner,
    log,
    removed,
    received,
    listener: { onEntry: ({ id }: SseEntry) => { received.push(id) }, onBreak () {} },
    advance: (ms: number) => { for (let left = ms; left > 0; left -= 100) clock.advance(Math.min(left, 100)) },
    add: (count = 1, history: Partial<SseHistory> = {}) => { for (; count > 0; count--) log.add(new SseEntry(`e.${++last}-0`, { data: 'x' }), { ...HISTORY, ...history }) },
    ids: (after?: string, count = 1_000) => log.read(after, count).entries.map(({ id }) => id)
  }
}

t.test('a new log starts where its owner has forgotten entries', async t => {
  const { log, ids } = setup(t)
  t.strictSame(ids(), [])
  t.equal(log.lastRemoved, START)
  t.equal(log.channel, 'a')
})

t.test('a log is read in pages, from the beginning or after an id', async t => {
  const { log, add, ids } = setup(t)
  add(5)
  t.strictSame(ids(), ['e.1-0', 'e.2-0', 'e.3-0', 'e.4-0', 'e.5-0'])
  for (let after = 0; after <= 5; after++) t.equal(ids(`e.${after}-0`).length, 5 - after)
  t.strictSame(ids('e.2-5'), ['e.3-0', 'e.4-0', 'e.5-0'], 'after an id between two entries')
  t.strictSame(ids('e.1-0', 2), ['e.2-0', 'e.3-0'])
  t.equal(log.read('e.1-0', 2).more, true)
  t.equal(log.read('e.1-0', 4).more, false)
  t.equal(log.read(undefined, 4).more, true)
})

t.test('the oldest entries are removed when a history has too many', async t => {
  const { log, add, ids } = setup(t)
  add(1_000, { count: 3 })
  t.strictSame(ids(), ['e.998-0', 'e.999-0', 'e.1000-0'])
  t.strictSame(ids('e.1-0', 2), ['e.998-0', 'e.999-0'])
  t.equal(log.lastRemoved, 'e.997-0')
  add(1, { count: 0 })
  t.strictSame(ids(), [])
  t.equal(log.lastRemoved, 'e.1001-0')
})

t.test('a history may be exactly as large as `bytes`', async t => {
  const { add, ids } = setup(t)
  const size = 'e.1-0x'.length
  add(2, { bytes: 2 * size })
  t.strictSame(ids(), ['e.1-0', 'e.2-0'])
  add(1, { bytes: 2 * size - 1 })
  t.strictSame(ids(), ['e.3-0'])
})

t.test('entries expire at their age, without another publication', async t => {
  const { log, add, ids, advance } = setup(t)
  add()
  advance(600)
  add()
  advance(399)
  t.strictSame(ids(), ['e.1-0', 'e.2-0'])
  advance(1)
  t.strictSame(ids(), ['e.2-0'], 'exactly at its age')
  advance(700)
  t.equal(log.lastRemoved, 'e.2-0', 'also without reading')
  t.strictSame(ids(), [])
})

t.test('an age of 0 sets no limit', async t => {
  const { removed, add, ids, advance } = setup(t)
  add(1, { age: 0 })
  advance(60 * MINUTE)
  t.strictSame(ids(), ['e.1-0'])
  t.strictSame(removed, [])
})

t.test('an empty log is removed after ten minutes', async t => {
  const { log, removed, add, advance } = setup(t)
  add(1, { count: 0 })
  advance(10 * MINUTE - 100)
  t.strictSame(removed, [])
  advance(200)
  t.strictSame(removed, [log])
})

t.test('the ten minutes start when a read removes the last entry', async t => {
  const { removed, add, ids, advance } = setup(t)
  add(1, { age: 990 })
  // The timer would fire at 1,000 ms.
  advance(995)
  t.strictSame(ids(), [])
  advance(10 * MINUTE - 100)
  t.strictSame(removed, [])
  advance(200)
  t.equal(removed.length, 1)
})

t.test('a log with a listener is not removed', async t => {
  const { log, removed, listener, add, advance } = setup(t)
  const { unsubscribe } = log.subscribe(listener)
  add(1, { count: 0 })
  advance(60 * MINUTE)
  t.strictSame(removed, [])
  unsubscribe()
  advance(10 * MINUTE - 100)
  t.strictSame(removed, [])
  advance(200)
  t.strictSame(removed, [log])
})

t.test('a log that never had an entry is removed with its last listener', async t => {
  const { log, removed, listener } = setup(t)
  const [first, second] = [log.subscribe(listener), log.subscribe(listener)]
  first.unsubscribe()
  t.strictSame(removed, [])
  second.unsubscribe()
  t.strictSame(removed, [log])
})

t.test('each subscription receives each entry until it ends, and starts at what its owner has delivered', async t => {
  const { owner, log, received, listener } = setup(t)
  owner.delivered = 'e.6-0'
  const first = log.subscribe(listener)
  t.equal(first.position, 'e.6-0')
  log.subscribe(listener)
  log.deliver(new SseEntry('e.7-0', { data: 'x' }))
  t.equal(first.position, 'e.7-0')
  first.unsubscribe()
  first.unsubscribe()
  log.deliver(new SseEntry('e.8-0', { data: 'x' }))
  t.strictSame(received, ['e.7-0', 'e.7-0', 'e.8-0'])
})

t.test('a closed log has no timer and calls no listener, even after a late unsubscribe', async t => {
  const { owner, log, received, listener, add } = setup(t)
  const subscription = log.subscribe(listener)
  add()
  t.equal(owner.wheel.size, 1)
  log.close()
  subscription.unsubscribe()
  t.equal(owner.wheel.size, 0)
  log.deliver(new SseEntry('e.9-0', { data: 'x' }))
  t.strictSame(received, [])
})
