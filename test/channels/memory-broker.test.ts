import t, { type Test } from 'tap'
import type { SseBrokerListener, SseHistory, SsePublished } from '../../plugin/channels/broker.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import type { SseMemoryBrokerOptions } from '../../plugin/channels/options.ts'
import { brokerContract } from '../../plugin/testing/index.ts'
import { runInProcess } from '../fixtures/run-in-process.ts'
import { liveTimers, mockClock } from '../fixtures/clock.ts'

const MINUTE = 60_000
const HISTORY: SseHistory = { count: 100, age: 1_000, bytes: 1_000_000 }

for (const { name, run } of brokerContract(() => memoryBroker())) t.test(name, run)

/** A broker on a clock that stands still. */
function setup (t: Test, options?: SseMemoryBrokerOptions) {
  const { clock } = mockClock(t)
  const broker = memoryBroker(options)
  t.teardown(() => broker.close())
  return {
    broker,
    advance: (ms: number) => { for (let left = ms; left > 0; left -= 100) clock.advance(Math.min(left, 100)) },
    publish: async (channel: string, history: Partial<SseHistory> = {}, idempotencyKey?: string) => {
      return await broker.publish(channel, { data: 'x' }, { history: { ...HISTORY, ...history }, idempotencyKey })
    },
    /** What a client at an id is reported to have missed. */
    lost: async (channel: string, after?: string) => (await broker.replay(channel, after, 1)).lost,
    ids: async (channel: string) => (await broker.replay(channel, undefined, 1_000)).entries.map(({ id }) => id)
  }
}

/** A listener that records the ids it receives. */
function recorder (): SseBrokerListener & { received: string[] } {
  const received: string[] = []
  return { received, onEntry: ({ id }) => { received.push(id) }, onBreak: () => {} }
}

t.test('a new broker has lost no entries', async t => {
  const { lost, publish } = setup(t)
  t.equal(await lost('a'), undefined)
  await publish('a')
  t.equal(await lost('a'), undefined)
})

t.test('an id from another process, or from before a restart, is unknown', async t => {
  const { broker, publish } = setup(t)
  const { id } = await publish('a')
  const other = memoryBroker()
  t.teardown(() => other.close())
  t.equal((await broker.replay('a', id, 1)).known, true)
  t.equal((await other.replay('a', id, 1)).known, false)
})

t.test('an id of the current millisecond that is not assigned yet is unknown', async t => {
  const { broker, publish } = setup(t)
  await publish('a')
  const { id } = await publish('a')
  t.equal((await broker.replay('a', id.replace(/-1$/, '-2'), 1)).known, false)
  t.equal((await broker.replay('a', id.replace(/-1$/, '-0'), 1)).known, true)
})

t.test('the position of a subscription advances with entries of other channels', async t => {
  const { broker, publish } = setup(t)
  const { position } = await broker.subscribe('a', recorder())
  const subscription = await broker.subscribe('a', recorder())
  t.equal(subscription.position, position)
  const { id } = await publish('b')
  t.equal(subscription.position, id)
})

t.test('a client that reconnects to a quiet channel within ten minutes has missed nothing', async t => {
  const { publish, lost, advance } = setup(t)
  const { id } = await publish('quiet', { count: 0 })
  advance(MINUTE)
  await publish('busy', { count: 0 })
  for (let minute = 1; minute < 10; minute++) {
    t.equal(await lost('quiet', id), undefined)
    advance(MINUTE)
  }
})

t.test('after ten minutes a quiet channel is removed, and a client that reconnects may have missed entries', async t => {
  const { publish, lost, advance } = setup(t)
  const { id: first } = await publish('quiet', { count: 0 })
  const { id: second } = await publish('quiet', { count: 0 })
  advance(MINUTE)
  const { id: third } = await publish('busy', { count: 0 })
  advance(11 * MINUTE)
  t.equal(await lost('quiet', first), third)
  t.equal(await lost('quiet', second), third, 'although it has missed nothing')
  t.equal(await lost('quiet', third), undefined)
  t.equal(await lost('another', second), third)
  await publish('quiet')
  t.equal(await lost('quiet', second), third, 'also after the channel was used again')
  t.equal(await lost('quiet', third), undefined)
})

t.test('a channel with a subscriber is not removed', async t => {
  const { broker, publish, lost, advance } = setup(t)
  const subscription = await broker.subscribe('quiet', recorder())
  const { id } = await publish('quiet', { count: 0 })
  await publish('busy', { count: 0 })
  advance(60 * MINUTE)
  t.equal(await lost('quiet', id), undefined)
  subscription.unsubscribe()
  advance(10 * MINUTE + 100)
  t.not(await lost('quiet', id), undefined)
})

t.test('unsubscribing again after a channel was removed does not affect its new subscribers', async t => {
  const { broker, publish, advance } = setup(t)
  const [before, after] = [recorder(), recorder()]
  const subscription = await broker.subscribe('a', before)
  subscription.unsubscribe()
  advance(11 * MINUTE)
  await broker.subscribe('a', after)
  subscription.unsubscribe()
  advance(11 * MINUTE)
  const { id } = await publish('a')
  t.strictSame(after.received, [id])
  t.strictSame(before.received, [])
})

t.test('the number of channels is limited, and removed channels make room', async t => {
  const { broker, publish, ids, advance } = setup(t, { maxChannels: 2 })
  const FULL = { code: 'SSE_ERR_BROKER_FULL' }
  await publish('a')
  const subscription = await broker.subscribe('b', recorder())
  await t.rejects(publish('c'), FULL)
  await t.rejects(broker.subscribe('c', recorder()), FULL)
  t.strictSame(await ids('c'), [], 'reading a channel does not count')
  await publish('a')
  await publish('b')
  advance(10 * MINUTE + 1_200)
  await publish('c')
  await t.rejects(publish('a'), FULL)
  subscription.unsubscribe()
  advance(10 * MINUTE + 200)
  await publish('a')
})

t.test('an idempotency key can be used again after the broker was full', async t => {
  const { publish, advance } = setup(t, { maxChannels: 1 })
  await publish('a')
  await t.rejects(publish('b', {}, 'once'), { code: 'SSE_ERR_BROKER_FULL' })
  advance(11 * MINUTE)
  t.equal((await publish('b', {}, 'once')).repeated, false)
})

t.test('a listener may repeat a publication', async t => {
  const { broker, publish } = setup(t)
  const listener = recorder()
  const repeats: Array<Promise<SsePublished>> = []
  await broker.subscribe('a', { ...listener, onEntry: () => { repeats.push(publish('a', {}, 'once')) } })
  await broker.subscribe('a', listener)
  const { id } = await publish('a', {}, 'once')
  t.strictSame(await Promise.all(repeats), [{ id, repeated: true }])
  t.strictSame(listener.received, [id])
})

t.test('a listener may close the broker; no listener is called after that', async t => {
  const { broker, publish } = setup(t)
  const [before, after] = [recorder(), recorder()]
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
  t.strictSame([before.received, after.received], [[id], []])
})

t.test('if a listener throws, that is a warning, and all listeners receive every entry', async t => {
  const warnings = t.capture(process, 'emitWarning')
  const { broker, publish } = setup(t)
  const other = recorder()
  let calls = 0
  await broker.subscribe('a', { onEntry: () => { if (++calls === 1) throw new Error('thrown by the listener') }, onBreak: () => {} })
  await broker.subscribe('a', other)
  const published = [await publish('a'), await publish('a')]
  t.strictSame(other.received, published.map(({ id }) => id))
  t.match(warnings.args(), [[/^A listener of a broker threw: Error: thrown by the listener/]])
})

t.test('a closed broker has no timer, even after a late unsubscribe', async t => {
  const live = liveTimers(t)
  const broker = memoryBroker()
  await broker.publish('a', { data: 'x' }, { history: HISTORY })
  const subscription = await broker.subscribe('b', recorder())
  t.equal(live.size, 1)
  await broker.close()
  subscription.unsubscribe()
  t.equal(live.size, 0)
})

t.test('100,000 idle channels are removed from memory', { timeout: 120_000 }, async t => {
  const { before, full, expired, forgotten } = await runInProcess<Record<'before' | 'full' | 'expired' | 'forgotten', number>>('idle-channels-main.ts')
  t.ok(full - expired > 50_000_000, `expiry freed ${full - expired} bytes of history`)
  t.ok(forgotten - before < 1_000_000, `the heap grew by ${forgotten - before} bytes`)
})
