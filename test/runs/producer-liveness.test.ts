import t, { type Test } from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { CONFIRMATION_DELAY, HEARTBEAT_INTERVAL, MAX_SILENCE, ProducerHeartbeat, ProducerWatch } from '../../plugin/runs/producer-liveness.ts'
import { summarizeLog } from '../../plugin/runs/run-log.ts'
import type { SseRun } from '../../plugin/runs/run.ts'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { mockClock } from '../fixtures/clock.ts'
import { record } from '../fixtures/diagnostics.ts'
import { createRuns, manualProducer, settle, type ManualProducer, type TestRuns } from '../fixtures/runs.ts'

/** The connection of one process to a shared broker. While it is down, no entries arrive and requests wait or fail. */
class BrokerConnection implements SseBroker {
  readonly shared = true
  readonly #broker: SseBroker
  readonly subscribe: SseBroker['subscribe']
  isDown = false
  /** The number of publications that are yet to be rejected. */
  rejections = 0
  /** The number of publications so far. */
  published = 0
  #waiting: Array<() => void> = []

  constructor (broker: SseBroker) {
    this.#broker = broker
    this.subscribe = (channel, listener) => broker.subscribe(channel, {
      onEntry: entry => { if (!this.isDown) listener.onEntry(entry) },
      onBreak: () => {}
    })
  }

  async publish (...args: Parameters<SseBroker['publish']>): ReturnType<SseBroker['publish']> {
    this.published++
    if (this.isDown || this.rejections-- > 0) throw new Error('Redis is unavailable')
    return await this.#broker.publish(...args)
  }

  async replay (...args: Parameters<SseBroker['replay']>): ReturnType<SseBroker['replay']> {
    if (this.isDown) await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    return await this.#broker.replay(...args)
  }

  restore (): void {
    this.isDown = false
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  async close (): Promise<void> {}
}

/** Advances the clock, and lets all processes do what is due. */
type Wait = (ms: number) => Promise<void>

function fakeTime (t: Test): Wait {
  const { advance } = mockClock(t)
  return async ms => {
    for (let left = ms; left > 0; left -= 500) {
      advance(Math.min(left, 500))
      await settle()
    }
  }
}

interface Setup {
  /** The process that produces the run. */
  remote: TestRuns
  remoteConnection: BrokerConnection
  producer: ManualProducer
  /** The signal of the producer. */
  signal: () => AbortSignal
  /** The process that views the run. */
  local: TestRuns
  localConnection: BrokerConnection
  run: SseRun
  wait: Wait
}

/** Sets up a run that is produced in one process and can be viewed in another. */
async function setup (t: Test): Promise<Setup> {
  const wait = fakeTime(t)
  const broker = memoryBroker()
  const [remoteConnection, localConnection] = [new BrokerConnection(broker), new BrokerConnection(broker)]
  const [remote, local] = [createRuns(remoteConnection), createRuns(localConnection)]
  const producer = manualProducer()
  let signal: AbortSignal | undefined
  await remote.runs.start('a', context => {
    signal = context.signal
    return producer.produce(context)
  }, { timeout: 0, idleTimeout: 0 })
  const run = (await local.runs.get('a'))!
  return { remote, remoteConnection, producer, signal: () => signal!, local, localConnection, run, wait }
}

/** Reads a run. Returns an array to which its events are added as they arrive. */
function view (run: SseRun, signal?: AbortSignal): Array<[type: string | undefined, data: string | undefined]> {
  const events: Array<[string | undefined, string | undefined]> = []
  const read = async (): Promise<void> => { for await (const { event, data } of run.read({ signal })) events.push([event, data]) }
  read().catch(() => {})
  return events
}

const LOST = ['failed', JSON.stringify({ code: 'producer_lost', message: 'The server stopped unexpectedly', retryable: true })]

t.test('a run continues as long as its process is alive, even if the producer yields nothing', async t => {
  const { run, producer, wait } = await setup(t)
  const events = view(run)
  await wait(60_000)
  producer.yield('x')
  producer.return()
  await wait(500)
  t.strictSame(events, [[undefined, 'x'], ['done', '{}']])
})

t.test('when a process dies, viewers in other processes see its run fail within 15 seconds', async t => {
  const { run, producer, remoteConnection, wait } = await setup(t)
  const events = view(run)
  producer.yield('x')
  await wait(5_000)
  remoteConnection.isDown = true
  await wait(MAX_SILENCE - HEARTBEAT_INTERVAL)
  t.strictSame(events, [[undefined, 'x']], 'still running after a short silence')
  await wait(15_000 - MAX_SILENCE + HEARTBEAT_INTERVAL)
  t.strictSame(events, [[undefined, 'x'], LOST])
})

t.test('the process that ends the run of a lost process reports it, once', async t => {
  const ended = record(t, 'fastify-sse-emitter:run:end')
  const { local, run, remoteConnection, wait } = await setup(t)
  const other = createRuns(local.broker)
  const events = [view(run), view((await other.runs.get('a'))!)]
  remoteConnection.isDown = true
  await wait(20_000)
  t.strictSame(events, [[LOST], [LOST]])
  t.match([...local.logLines, ...other.logLines], [{ level: 'error', text: 'run failed because the process that produced it was lost', fields: { run: 'a' } }])
  t.match(ended, [{ id: 'a', state: LOST[0], data: LOST[1], events: undefined, duration: undefined }])
  t.equal(local.logLines.length + other.logLines.length, 1)
  t.equal(ended.length, 1)
})

t.test('a process that resumes after its run was declared dead stops, and viewers ignore its late events', async t => {
  const { local, run, producer, remoteConnection, signal, wait } = await setup(t)
  const events = view(run)
  remoteConnection.isDown = true
  await wait(15_000)
  t.strictSame(events, [LOST])
  t.equal(signal().aborted, false)
  remoteConnection.restore()
  producer.yield('too late')
  await wait(HEARTBEAT_INTERVAL)
  t.equal((await local.eventsOf('a')).filter(([event]) => event === 'failed').length, 1)
  const eventsReadAgain = view((await local.runs.get('a'))!)
  await wait(500)
  t.strictSame(eventsReadAgain, [LOST], 'late viewers ignore them, too')
})

t.test('an outage of the broker does not end runs', async t => {
  const { run, producer, remoteConnection, localConnection, wait } = await setup(t)
  const events = view(run)
  await wait(1_000)
  for (const connection of [remoteConnection, localConnection]) connection.isDown = true
  await wait(60_000)
  for (const connection of [remoteConnection, localConnection]) connection.restore()
  await wait(60_000)
  producer.return()
  await wait(500)
  t.strictSame(events, [['done', '{}']])
})

t.test('a process that is cut off at each heartbeat, but not in between, is alive', async t => {
  const { run, producer, remoteConnection, wait } = await setup(t)
  const events = view(run)
  await wait(HEARTBEAT_INTERVAL - 500)
  for (let heartbeat = 0; heartbeat < 10; heartbeat++) {
    remoteConnection.isDown = true
    await wait(1_000)
    remoteConnection.restore()
    await wait(HEARTBEAT_INTERVAL - 1_000)
  }
  producer.return()
  await wait(500)
  t.strictSame(events, [['done', '{}']])
})

t.test('a heartbeat that fails after the heartbeats were stopped is not repeated', async t => {
  const wait = fakeTime(t)
  const [broker, wheel] = [new BrokerConnection(memoryBroker()), new TimerWheel()]
  const heartbeat = new ProducerHeartbeat({ broker, wheel }, () => true)
  broker.isDown = true
  heartbeat.start()
  heartbeat.stop()
  await wait(HEARTBEAT_INTERVAL)
  t.equal(broker.published, 1)
  t.equal(wheel.size, 0)
})

t.test('if the end of a lost run cannot be published, the process is checked and the end published again', async t => {
  const { run, remoteConnection, localConnection, wait } = await setup(t)
  const events = view(run)
  remoteConnection.isDown = true
  localConnection.rejections = 1
  await wait(MAX_SILENCE + CONFIRMATION_DELAY + 1_000)
  t.equal(localConnection.published, 1)
  t.strictSame(events, [])
  await wait(MAX_SILENCE + CONFIRMATION_DELAY + 1_000)
  t.strictSame(events, [LOST])
})

t.test('a break in the subscription, which may have lost heartbeats, restarts the wait for one', async t => {
  const wait = fakeTime(t)
  let reports = 0
  const watch = new ProducerWatch({ broker: new BrokerConnection(memoryBroker()), wheel: new TimerWheel() }, 'a', async () => { reports++ })
  watch.start()
  await wait(MAX_SILENCE + CONFIRMATION_DELAY - 1_000)
  watch.onBreak()
  await wait(MAX_SILENCE + CONFIRMATION_DELAY - 1_000)
  t.equal(reports, 0)
  await wait(2_000)
  t.equal(reports, 1)
  watch.stop()
})

t.test('a process is watched only while its runs have viewers', async t => {
  const { local, run, remoteConnection, localConnection, wait } = await setup(t)
  const controller = new AbortController()
  const events = view(run, controller.signal)
  await wait(1_000)
  t.equal(local.wheel.size, 1)
  controller.abort()
  await settle()
  t.equal(local.wheel.size, 0)
  remoteConnection.isDown = true
  await wait(60_000)
  t.strictSame(events, [])
  t.equal(localConnection.published, 0)
})

t.test('watching stops when the last viewer leaves during the check of the broker', async t => {
  const { local, run, remoteConnection, localConnection, wait } = await setup(t)
  const controller = new AbortController()
  view(run, controller.signal)
  await wait(1_000)
  for (const connection of [remoteConnection, localConnection]) connection.isDown = true
  await wait(MAX_SILENCE + 1_000)
  controller.abort()
  localConnection.restore()
  await settle()
  t.equal(local.wheel.size, 0)
})

t.test('a process publishes one heartbeat for all its runs, and none without runs', async t => {
  const { remote, remoteConnection, wait } = await setup(t)
  await remote.runs.start('b', manualProducer().produce)
  await wait(HEARTBEAT_INTERVAL)
  const before = remoteConnection.published
  await wait(10 * HEARTBEAT_INTERVAL)
  t.equal(remoteConnection.published - before, 10)
  await Promise.all(['a', 'b'].map(async id => await remote.runs.cancel(id)))
  await wait(11 * 60_000)
  t.equal(remote.runs.size, 0)
  const after = remoteConnection.published
  await wait(10 * HEARTBEAT_INTERVAL)
  t.equal(remoteConnection.published, after)
  t.equal(remote.wheel.size, 0)
})

t.test('with a broker that is not shared, a run does not name its process', async t => {
  mockClock(t)
  const { broker, runs } = createRuns(memoryBroker())
  await runs.start('a', manualProducer().produce)
  t.equal((await summarizeLog(broker, 'run:a'))!.processId, undefined)
})
