import t, { type Test } from 'tap'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { BrokerHarness, type CreateBroker } from '../../plugin/testing/broker-harness.ts'
import { idsOf } from '../../plugin/testing/entries.ts'

async function open (t: Test, create: CreateBroker = memoryBroker, timeout = 100): Promise<BrokerHarness> {
  const harness = await BrokerHarness.open(create, timeout)
  t.teardown(() => harness.close())
  return harness
}

t.test('every channel is new, and ends with the given suffix', async t => {
  const harness = await open(t)
  const channels = new Set(Array.from({ length: 100 }, () => harness.newChannel('suffix')))
  t.equal(channels.size, 100)
  for (const channel of channels) t.match(channel, /suffix$/)
})

t.test('all channels belong to the same partition', async t => {
  const partition = (channel: string): number => channel.charCodeAt(5) % 4
  const harness = await open(t, () => Object.assign(memoryBroker(), { partition }))
  const partitions = new Set(Array.from({ length: 100 }, () => partition(harness.newChannel())))
  t.equal(partitions.size, 1)
})

t.test('close closes all brokers', async t => {
  const harness = await open(t)
  const other = await harness.openOther()
  t.not(other.broker, harness.broker)
  await harness.close()
  for (const { broker } of [harness, other]) await t.rejects(broker.replay('a', undefined, 1), { code: 'SSE_ERR_BROKER_CLOSED' })
})

t.test('published events are replayed in pages', async t => {
  const harness = await open(t)
  const channel = harness.newChannel()
  const ids = await harness.publishMany(channel, 3)
  let pauses = 0
  const pages = await harness.replayPages(channel, undefined, 2, async () => { pauses++ })
  t.strictSame(pages.map(({ entries }) => idsOf(entries)), [ids.slice(0, 2), ids.slice(2)])
  t.equal(pauses, 1)
  t.strictSame((await harness.replay(channel, ids[1])).entries.map(({ data }) => data), ['event 2'])
})

t.test('a publication may have limits, a key and a payload of its own', async t => {
  const harness = await open(t)
  const channel = harness.newChannel()
  const { id } = await harness.publish(channel, { data: 'x', event: 'e' }, { idempotencyKey: 'key' })
  t.strictSame(await harness.publish(channel, { data: 'x', event: 'e' }, { idempotencyKey: 'key' }), { id, repeated: true })
  await harness.publish(channel, 'x', { history: { count: 0 } })
  t.strictSame((await harness.replay(channel, undefined)).entries, [])
})

t.test('eventually() repeats a check until it passes', async t => {
  const harness = await open(t)
  let calls = 0
  await harness.eventually(() => { if (++calls < 3) throw new Error('not yet') })
  t.equal(calls, 3)
})

t.test('eventually() rejects with the last error after the timeout', async t => {
  const harness = await open(t, memoryBroker, 20)
  const start = performance.now()
  let calls = 0
  await t.rejects(harness.eventually(async () => { throw new Error(`call ${++calls}`) }), { message: /^call \d+$/ })
  t.ok(performance.now() - start >= 20)
  t.ok(calls > 1)
})

t.test('assertReceived() passes if a subscriber received exactly the given events', async t => {
  const harness = await open(t)
  const subscriber = await harness.subscribe(harness.newChannel())
  const ids = await harness.publishMany(subscriber.channel, 2)
  await harness.assertReceived(subscriber, ids)
})

t.test('assertReceived() rejects if events are missing or onBreak was called', async t => {
  const harness = await open(t, memoryBroker, 20)
  const subscriber = await harness.subscribe(harness.newChannel())
  const ids = await harness.publishMany(subscriber.channel, 2)
  await t.rejects(harness.assertReceived(subscriber, [...ids, 'missing']), { code: 'ERR_ASSERTION' })
  const other = await harness.subscribe(harness.newChannel())
  other.onBreak()
  await t.rejects(harness.assertReceived(other, []), { code: 'ERR_ASSERTION', message: /onBreak was not called/ })
})
