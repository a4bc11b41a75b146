import t from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import type { SseRunOptions } from '../../plugin/runs/options.ts'
import { mockClock } from '../fixtures/clock.ts'
import { createRuns, manualProducer, settle } from '../fixtures/runs.ts'
import { UnreliableBroker } from '../fixtures/unreliable-broker.ts'

/** Two processes with one broker; the first one produces the run `a`. */
async function setup (broker: SseBroker = memoryBroker(), options: SseRunOptions = {}) {
  const [first, second] = [createRuns(broker), createRuns(broker)]
  const producer = manualProducer()
  await first.runs.start('a', producer.produce, options)
  await settle()
  return { first, second, producer }
}

t.test('as long as a run has viewers here, every call of get() returns the same object', async t => {
  const { first, second } = await setup()
  const run = (await second.runs.get('a'))!
  t.not(await second.runs.get('a'), run, 'without viewers')
  const reading = run.read()[Symbol.asyncIterator]()
  const next = reading.next()
  const again = (await second.runs.get('a'))!
  t.equal(again, run)
  t.equal(again.viewers, 1)
  await first.runs.cancel('a')
  t.match(await next, { value: { event: 'aborted' } })
  t.equal((await second.runs.get('a'))!.state, 'aborted')
  t.equal(run.state, 'aborted', 'a viewer has received the end')
  await reading.return!()
  t.equal(run.viewers, 0)
  t.not(await second.runs.get('a'), run)
})

t.test('runs with one id and several owners have viewers of their own', async t => {
  const broker = memoryBroker()
  const [first, second] = [createRuns(broker), createRuns(broker)]
  for (const owner of ['ann', 'bob']) await first.runs.start('a', () => [owner], { owner })
  for (const owner of ['ann', 'bob']) {
    const reading = (await second.runs.get('a', { owner }))!.read()[Symbol.asyncIterator]()
    t.match(await reading.next(), { value: { data: owner } })
    t.equal((await second.runs.get('a', { owner }))!.viewers, 1)
  }
})

t.test('the state of a run that others watch is that of the latest get()', async t => {
  const broker = new UnreliableBroker()
  const { first, second } = await setup(broker)
  const run = (await second.runs.get('a'))!
  const reading = run.read()[Symbol.asyncIterator]().next()
  await settle()
  broker.isDeaf = true
  await first.runs.cancel('a')
  t.equal(run.state, 'running')
  t.equal(await second.runs.get('a'), run)
  t.equal(run.state, 'aborted')
  broker.breakAll()
  await reading
})

t.test('a run that another process has ended is kept for its own retention', async t => {
  const { advance } = mockClock(t)
  const { second } = await setup(undefined, { retention: 2_000 })
  advance(10_000)
  await second.runs.cancel('a')
  advance(1_900)
  t.equal((await second.runs.get('a'))!.state, 'aborted')
  advance(300)
  t.equal(await second.runs.get('a'), undefined)
})

t.test('a run with a reused id is another run', async t => {
  const { advance } = mockClock(t)
  const broker = memoryBroker()
  const { first, second, producer } = await setup(broker, { retention: 60_000, idleTimeout: 0 })
  const stale = (await second.runs.get('a'))!
  advance(300_000)
  // The broker remembers its beginning until 600 s, and its end until 900 s.
  producer.return()
  await settle()
  t.equal(first.runs.list()[0]!.state, 'done')
  advance(450_000)
  await settle()
  const again = manualProducer()
  t.equal((await second.runs.start('a', again.produce, { timeout: 0, idleTimeout: 0 })).repeated, false)
  await stale.cancel()
  await settle()
  t.equal(second.runs.list()[0]!.state, 'running', 'an object of the earlier run does not cancel it')
  await first.runs.cancel('a')
  await settle()
  t.equal(again.hasEnded(), true)
  t.equal(second.runs.list()[0]!.state, 'aborted')
  t.strictSame(await first.eventsOf('a'), [['aborted', { reason: 'cancelled' }]])
})

t.test('cancelling a run waits a few seconds for the broker', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const { first, second } = await setup(broker)
  const run = (await second.runs.get('a'))!
  broker.error = new Error('unavailable')
  const cancelled = run.cancel()
  await settle()
  broker.error = undefined
  advance(100)
  await cancelled
  t.equal(run.state, 'aborted')
  await settle()
  t.equal(first.runs.list()[0]!.state, 'aborted')
  await run.cancel()
})

t.test('cancelling a run rejects if the broker stays unavailable', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const { second } = await setup(broker)
  const run = (await second.runs.get('a'))!
  broker.error = new Error('unavailable')
  const cancelled = run.cancel().catch(error => error)
  for (let second = 0; second < 7; second++) {
    advance(1_000)
    await settle(3)
  }
  t.match(await cancelled, { code: 'SSE_ERR_BROKER_UNAVAILABLE' })
  const { attempts } = broker
  advance(10_000)
  await settle()
  t.equal(broker.attempts, attempts)
})

t.test('of two processes that end a run at once, both report the end that is in the log', async t => {
  const broker = memoryBroker()
  const { second, producer } = await setup(broker)
  let publishing = (): void => {}
  const third = createRuns({
    publish: async (...args) => {
      publishing()
      await settle()
      return await broker.publish(...args)
    },
    subscribe: (...args) => broker.subscribe(...args),
    replay: (...args) => broker.replay(...args),
    close: async () => {}
  })
  const [run, other] = [(await third.runs.get('a'))!, (await second.runs.get('a'))!]
  publishing = () => producer.return()
  await run.cancel()
  t.equal(run.state, 'done')
  await other.cancel()
  t.equal(other.state, 'done')
})
