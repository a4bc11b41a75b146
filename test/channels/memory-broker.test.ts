import t, { type Test } from 'tap'
import type { SseBrokerListener, SseHistory } from '../../plugin/channels/broker.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import type { SseMemoryBrokerOptions } from '../../plugin/channels/options.ts'
import { brokerContract, type BrokerCase } from '../../plugin/testing/index.ts'
import { apart } from '../fixtures/apart.ts'
import { liveTimers, stillClock } from '../fixtures/clock.ts'
import { DistantBroker } from '../fixtures/distant-broker.ts'
import { FAULTS, spoilt, type Spoil } from '../fixtures/faults.ts'

const MINUTE = 60_000
const HISTORY: SseHistory = { count: 100, age: 1_000, bytes: 1_000_000 }

for (const { name, run } of brokerContract(() => memoryBroker())) t.test(name, run)

/** A broker on a clock that stands still. */
function still (t: Test, options?: SseMemoryBrokerOptions) {
  const { clock } = stillClock(t)
  const broker = memoryBroker(options)
  t.teardown(() => broker.close())
  return {
    broker,
    pass: (ms: number) => { for (let left = ms; left > 0; left -= 100) clock.advance(Math.min(left, 100)) },
    publish: async (channel: string, history: Partial<SseHistory> = {}, idempotencyKey?: string) => {
      return await broker.publish(channel, { data: 'x' }, { history: { ...HISTORY, ...history }, idempotencyKey })
    },
    /** What somebody who stands at an id is told to have lost. */
    lost: async (channel: string, after?: string) => (await broker.replay(channel, after, 1)).lost,
    /** The ids of a history. */
    ids: async (channel: string) => (await broker.replay(channel, undefined, 1_000)).entries.map(({ id }) => id)
  }
}

function ear (): SseBrokerListener & { heard: string[] } {
  const heard: string[] = []
  return { heard, onEntry: ({ id }) => { heard.push(id) }, onBreak: () => {} }
}

t.test('a new broker has lost nothing', async t => {
  const { lost, publish } = still(t)
  t.equal(await lost('a'), undefined)
  await publish('a')
  t.equal(await lost('a'), undefined)
})

t.test('another process, or this one after a restart, does not know its ids', async t => {
  const { broker, publish } = still(t)
  const { id } = await publish('a')
  const other = memoryBroker()
  t.teardown(() => other.close())
  t.equal((await broker.replay('a', id, 1)).known, true)
  t.equal((await other.replay('a', id, 1)).known, false)
})

t.test('an id of this very millisecond that was not given yet is not known', async t => {
  const { broker, publish } = still(t)
  await publish('a')
  const { id } = await publish('a')
  t.equal((await broker.replay('a', id.replace(/-1$/, '-2'), 1)).known, false)
  t.equal((await broker.replay('a', id.replace(/-1$/, '-0'), 1)).known, true)
})

t.test('a position passes on with what is published elsewhere', async t => {
  const { broker, publish } = still(t)
  const { position } = await broker.subscribe('a', ear())
  const subscription = await broker.subscribe('a', ear())
  t.equal(subscription.position, position)
  const { id } = await publish('b')
  t.equal(subscription.position, id)
})

t.test('a history goes with time: not too early, nor does it wait for the next publication', async t => {
  const { publish, ids, lost, pass } = still(t)
  const { id: first } = await publish('a')
  pass(600)
  const { id: second } = await publish('a')
  pass(399)
  t.strictSame(await ids('a'), [first, second])
  pass(1)
  t.strictSame(await ids('a'), [second], 'at the very millisecond')
  t.equal(await lost('a'), first)
  pass(600)
  t.strictSame(await ids('a'), [])
  t.equal(await lost('a', first), second)
  t.equal(await lost('a', second), undefined)
})

t.test('a history may be as large as `bytes` says, to the byte', async t => {
  const { publish, ids } = still(t)
  const { id: first } = await publish('a')
  const size = first.length + 1
  const { id: second } = await publish('a', { bytes: 2 * size })
  t.strictSame(await ids('a'), [first, second])
  const { id: third } = await publish('a', { bytes: 2 * size - 1 })
  t.strictSame(await ids('a'), [third])
})

t.test('who comes back to a quiet channel within ten minutes is told that nothing is lost', async t => {
  const { publish, lost, pass } = still(t)
  const { id } = await publish('quiet', { count: 0 })
  pass(MINUTE)
  await publish('busy', { count: 0 })
  for (let minute = 1; minute < 10; minute++) {
    t.equal(await lost('quiet', id), undefined)
    pass(MINUTE)
  }
})

t.test('later a channel is forgotten, and who comes back to it is told what may be lost', async t => {
  const { publish, lost, pass } = still(t)
  const { id: first } = await publish('quiet', { count: 0 })
  const { id: second } = await publish('quiet', { count: 0 })
  pass(MINUTE)
  const { id: third } = await publish('busy', { count: 0 })
  pass(11 * MINUTE)
  t.equal(await lost('quiet', first), third)
  t.equal(await lost('quiet', second), third, 'though nothing is')
  t.equal(await lost('quiet', third), undefined)
  t.equal(await lost('another', second), third)
  await publish('quiet')
  t.equal(await lost('quiet', second), third, 'also when the channel is known again')
  t.equal(await lost('quiet', third), undefined)
})

t.test('the ten minutes begin when the last entry is gone, though that was seen by who read it', async t => {
  const { publish, lost, pass } = still(t)
  const { id } = await publish('quiet', { age: 990 })
  await publish('busy', { count: 0 })
  // Its alarm would ring at 1,000.
  pass(995)
  t.equal(await lost('quiet', id), undefined)
  pass(10 * MINUTE - 500)
  t.not(await lost('another', id), undefined, 'the busy channel is forgotten')
  t.equal(await lost('quiet', id), undefined)
  pass(1_000)
  t.not(await lost('quiet', id), undefined)
})

t.test('a channel is not forgotten as long as somebody follows it', async t => {
  const { broker, publish, lost, pass } = still(t)
  const subscription = await broker.subscribe('quiet', ear())
  const { id } = await publish('quiet', { count: 0 })
  await publish('busy', { count: 0 })
  pass(60 * MINUTE)
  t.equal(await lost('quiet', id), undefined)
  subscription.unsubscribe()
  pass(10 * MINUTE - 100)
  t.equal(await lost('quiet', id), undefined)
  pass(200)
  t.not(await lost('quiet', id), undefined)
})

t.test('nor as long as it has a history without an end', async t => {
  const { publish, ids, pass } = still(t)
  const { id } = await publish('a', { age: 0 })
  pass(60 * MINUTE)
  t.strictSame(await ids('a'), [id])
})

t.test('who unsubscribes from a forgotten channel again does not disturb those who are there now', async t => {
  const { broker, publish, pass } = still(t)
  const [gone, here] = [ear(), ear()]
  const subscription = await broker.subscribe('a', gone)
  subscription.unsubscribe()
  pass(11 * MINUTE)
  await broker.subscribe('a', here)
  subscription.unsubscribe()
  pass(11 * MINUTE)
  const { id } = await publish('a')
  t.strictSame(here.heard, [id])
  t.strictSame(gone.heard, [])
})

t.test('one listener may follow a channel twice, and leave it once', async t => {
  const { broker, publish } = still(t)
  const listener = ear()
  const subscription = await broker.subscribe('a', listener)
  await broker.subscribe('a', listener)
  const { id: first } = await publish('a')
  subscription.unsubscribe()
  const { id: second } = await publish('a')
  t.strictSame(listener.heard, [first, first, second])
})

t.test('there are as many channels as there may be, and those that are forgotten make room', async t => {
  const { broker, publish, ids, pass } = still(t, { maxChannels: 2 })
  const FULL = { code: 'SSE_ERR_BROKER_FULL' }
  await publish('a')
  const subscription = await broker.subscribe('b', ear())
  await t.rejects(publish('c'), FULL)
  await t.rejects(broker.subscribe('c', ear()), FULL)
  t.strictSame(await ids('c'), [], 'to read takes no room')
  await publish('a')
  await publish('b')
  pass(10 * MINUTE + 1_200)
  await publish('c')
  await t.rejects(publish('a'), FULL)
  subscription.unsubscribe()
  pass(10 * MINUTE + 200)
  await publish('a')
})

t.test('what was refused for want of room may be repeated', async t => {
  const { publish, pass } = still(t, { maxChannels: 1 })
  await publish('a')
  await t.rejects(publish('b', {}, 'once'), { code: 'SSE_ERR_BROKER_FULL' })
  pass(11 * MINUTE)
  t.equal((await publish('b', {}, 'once')).repeated, false)
})

t.test('an idempotency key is forgotten after ten minutes', async t => {
  const { publish, pass } = still(t)
  const { id } = await publish('a', {}, 'once')
  pass(MINUTE)
  await publish('a', {}, 'another')
  pass(9 * MINUTE - 1)
  t.strictSame(await publish('a', {}, 'once'), { id, repeated: true })
  pass(1)
  t.equal((await publish('a', {}, 'once')).repeated, false)
  t.equal((await publish('a', {}, 'another')).repeated, true)
})

t.test('the latest 100,000 idempotency keys are remembered', async t => {
  const { publish } = still(t)
  for (let number = 0; number < 100_000; number++) await publish('a', {}, `${number}`)
  t.equal((await publish('a', {}, '0')).repeated, true)
  await publish('a', {}, 'one more')
  t.equal((await publish('a', {}, '1')).repeated, true)
  t.equal((await publish('a', {}, '0')).repeated, false)
})

t.test('a listener may close the broker, and none is called any more', async t => {
  const { broker, publish } = still(t)
  const [before, after] = [ear(), ear()]
  await broker.subscribe('a', before)
  await broker.subscribe('a', {
    onEntry: () => {
      publish('a')
      broker.close()
    },
    onBreak: () => {}
  })
  await broker.subscribe('a', after)
  const { id } = await publish('a')
  t.strictSame([before.heard, after.heard], [[id], []])
})

t.test('a listener that throws has the publication fail, and the next one come to all', async t => {
  const { broker, publish } = still(t)
  const other = ear()
  let calls = 0
  await broker.subscribe('a', { onEntry: () => { if (++calls === 1) throw new Error('by the listener') }, onBreak: () => {} })
  await broker.subscribe('a', other)
  await t.rejects(publish('a'), { message: 'by the listener' })
  const { id } = await publish('a')
  t.strictSame(other.heard, [id])
})

t.test('a closed broker leaves no timer, even when somebody unsubscribes late', async t => {
  const live = liveTimers(t)
  const broker = memoryBroker()
  await broker.publish('a', { data: 'x' }, { history: HISTORY })
  const subscription = await broker.subscribe('b', ear())
  t.equal(live.size, 1)
  await broker.close()
  subscription.unsubscribe()
  t.equal(live.size, 0)
})

t.test('100,000 channels that everybody has left leave nothing behind', { timeout: 120_000 }, async t => {
  const { before, full, expired, forgotten } = await apart<Record<'before' | 'full' | 'expired' | 'forgotten', number>>('idle-channels-main.ts')
  t.ok(full - expired > 50_000_000, `time alone has freed ${full - expired} bytes of histories`)
  t.ok(forgotten - before < 1_000_000, `the heap has grown by ${forgotten - before} bytes`)
})

t.test('the suite is passed as well by a broker that is far away', async () => {
  await Promise.all(brokerContract(() => new DistantBroker()).map(({ run }) => run()))
})

t.test('the suite finds what is wrong with a broker', async t => {
  for (const { name } of brokerContract(memoryBroker)) {
    const faults = FAULTS.filter(([, found]) => name.startsWith(found))
    t.not(faults.length, 0, `there is something that is found by “${name}”`)
    await Promise.all(faults.map(async ([fault, , spoil]) => {
      const error = await caseOf(name, spoil).run().catch(error => error)
      t.match(error?.code, /^ERR_ASSERTION$|^SSE_ERR_/, fault)
    }))
  }
})

t.test('what the suite finds by chance comes with the seed', async t => {
  const [, found, spoil] = FAULTS.find(([fault]) => fault === 'begins to listen too late')!
  await t.rejects(caseOf(found, spoil, 4_711).run(), { message: /\(seed 4711\)/ })
})

/** The case whose name begins so, for a broker with a fault. */
function caseOf (name: string, spoil: Spoil, seed?: number): BrokerCase {
  return brokerContract(() => spoilt(spoil), { patience: 150, seed }).find(one => one.name.startsWith(name))!
}
