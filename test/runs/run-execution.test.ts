import { EventEmitter, once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { event } from '../../plugin/wire/event.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { SSE_ERR_BROKER_CLOSED } from '../../plugin/base/errors.ts'
import type { SseBroker, SseBrokerListener } from '../../plugin/channels/broker.ts'
import { KEEP_ALL } from '../../plugin/runs/run-log.ts'
import type { SseRunOptions } from '../../plugin/runs/options.ts'
import type { SseRunProducer } from '../../plugin/runs/runs.ts'
import { mockClock } from '../fixtures/clock.ts'
import { hostileErrors } from '../fixtures/hostile-errors.ts'
import { createRuns, manualProducer, settle, type ManualProducer, type TestRuns } from '../fixtures/runs.ts'
import { processWarnings } from '../fixtures/warnings.ts'

/** Starts the run `a`, and lets it execute as far as it can. */
async function startRun (producer: SseRunProducer | (() => unknown), options?: SseRunOptions, testRuns = createRuns()): Promise<TestRuns> {
  await testRuns.runs.start('a', producer as SseRunProducer, options)
  await settle()
  return testRuns
}

t.test('the items of a producer become the events of the run, and its return value the data of `done`', async t => {
  let producerSignal: AbortSignal | undefined
  const { eventsOf, runs, logLines } = await startRun(async function * ({ signal }) {
    producerSignal = signal
    yield 'text'
    yield { n: 1 }
    yield event({ text: 'Hi' }, { event: 'delta', comment: 'c' })
    yield new Uint8Array([0xc3])
    yield new Uint8Array([0xa9])
    return { finishReason: 'stop' }
  })
  t.strictSame(await eventsOf('a'), [[undefined, 'text'], [undefined, { n: 1 }], ['delta', { text: 'Hi' }], [undefined, 'é'], ['done', { finishReason: 'stop' }]])
  t.match(runs.list(), [{ id: 'a', state: 'done', viewers: 0, events: 4, age: Number }])
  t.strictSame(logLines, [])
  t.equal(producerSignal!.aborted, false)
})

t.test('without a return value, the data of `done` is an empty object', async t => {
  for (const producer of [() => ['x'], async () => ['x'], () => new Set(['x'])]) {
    const { eventsOf } = await startRun(producer)
    t.strictSame(await eventsOf('a'), [[undefined, 'x'], ['done', {}]])
  }
})

type Row = [producer: () => unknown, data: Array<string | undefined>, failure: object]

t.test('a producer that throws fails its run, and clients receive no internals of the error', async t => {
  const failed = { code: 'producer_failed', message: 'An internal error occurred', retryable: false }
  const rows: Row[] = [
    [async function * () { yield 'x'; throw new Error('secret') }, ['x'], failed],
    [() => { throw new Error('secret') }, [], failed],
    [async () => { throw Object.assign(new Error('secret'), { code: 'ECONNREFUSED' }) }, [], failed],
    ...hostileErrors().map(([, error]): Row => [() => { throw error }, [], failed]),
    [async function * () { throw Object.assign(new Error('Busy'), { expose: true, code: 'busy', retryable: true }) }, [], { code: 'busy', message: 'Busy', retryable: true }],
    [() => 'text', [], { ...failed, code: 'SSE_ERR_SOURCE' }],
    [async function * () { yield 1n }, [], { ...failed, code: 'SSE_ERR_SERIALIZE' }],
    [async function * () { return 1n }, [], { ...failed, code: 'SSE_ERR_SERIALIZE' }],
    [async function * () { yield event('x', { event: 'a\nb' }) }, [], { ...failed, code: 'SSE_ERR_EVENT' }],
    [async function * () { yield event('x', { id: '7' }) }, [], { ...failed, code: 'SSE_ERR_EVENT' }],
    [async function * () { yield event('x', { event: 'done' }) }, [], { ...failed, code: 'SSE_ERR_EVENT' }]
  ]
  for (const [producer, data, failure] of rows) {
    const { eventsOf, runs, logLines } = await startRun(producer)
    t.strictSame(await eventsOf('a'), [...data.map(text => [undefined, text]), ['failed', failure]])
    t.equal(runs.list()[0]!.state, 'failed')
    t.match(logLines, [{ level: 'error', text: 'run failed', fields: { run: 'a', err: Error } }])
  }
})

t.test('the signal may abort any number of requests', async t => {
  const warnings = processWarnings(t)
  const testRuns = await startRun(async function * ({ signal }: { signal: AbortSignal }) {
    await Promise.all(Array.from({ length: 20 }, () => once(new EventEmitter(), 'answer', { signal })))
  })
  await settle()
  t.strictSame(warnings, [])
  await testRuns.runs.cancel('a')
})

t.test('a run that is cancelled ends immediately, even if its producer is waiting', async t => {
  const producer = manualProducer()
  const signals: AbortSignal[] = []
  const testRuns = await startRun(({ signal }: { signal: AbortSignal }) => {
    signals.push(signal)
    return producer.produce({ signal })
  })
  producer.yield('x')
  await settle()
  t.equal(await testRuns.runs.cancel('a'), true)
  t.equal(await testRuns.runs.cancel('a'), true, 'a second time')
  t.match(signals[0], { aborted: true, reason: { code: 'SSE_ERR_RUN_OVER', message: /aborted/ } })
  await settle()
  t.strictSame(await testRuns.eventsOf('a'), [[undefined, 'x'], ['aborted', { reason: 'cancelled' }]])
  t.equal(producer.hasEnded(), true)
  t.strictSame(testRuns.logLines, [])
})

t.test('an error of a producer after the end of its run is logged', async t => {
  const testRuns = await startRun(() => ({
    [Symbol.asyncIterator]: () => ({ next: async () => await new Promise<never>(() => {}), return: async () => { throw new Error('cleanup failed') } })
  }))
  await testRuns.runs.cancel('a')
  await settle()
  t.match(testRuns.logLines, [{ level: 'error', text: 'the producer failed after its run had ended', fields: { err: { message: 'cleanup failed' } } }])
})

t.test('limits', async t => {
  const startWithFakeTime = async (t: Test, options: SseRunOptions): Promise<TestRuns & { producer: ManualProducer, advance: (ms: number) => Promise<void> }> => {
    const { advance } = mockClock(t)
    const producer = manualProducer()
    const testRuns = await startRun(producer.produce, options)
    return {
      ...testRuns,
      producer,
      advance: async ms => {
        advance(ms)
        await settle()
      }
    }
  }

  t.test('a run fails after `timeout`', async t => {
    const { eventsOf, producer, advance, logLines } = await startWithFakeTime(t, { timeout: 1_000, idleTimeout: 600 })
    producer.yield('1')
    await advance(500)
    producer.yield('2')
    await advance(400)
    t.strictSame(await eventsOf('a'), [[undefined, 1], [undefined, 2]])
    await advance(200)
    t.strictSame((await eventsOf('a'))[2], ['failed', { code: 'timeout', message: 'The operation took too long', retryable: true }])
    t.match(logLines, [{ level: 'warn', text: 'run exceeded a limit or timed out', fields: { run: 'a', failure: { code: 'timeout' } } }])
  })

  t.test('a run fails if its producer yields nothing for `idleTimeout`', async t => {
    const { eventsOf, producer, advance } = await startWithFakeTime(t, { idleTimeout: 600 })
    await advance(500)
    producer.yield('1')
    await advance(1)
    await advance(500)
    t.strictSame(await eventsOf('a'), [[undefined, 1]])
    await advance(250)
    t.strictSame((await eventsOf('a'))[1], ['failed', { code: 'idle_timeout', message: 'The operation stopped responding', retryable: true }])
  })

  t.test('a run without timeouts continues', async t => {
    const { runs, wheel, advance } = await startWithFakeTime(t, { timeout: 0, idleTimeout: 0 })
    await advance(60_000)
    t.equal(runs.list()[0]!.state, 'running')
    t.equal(wheel.size, 0)
  })

  t.test('the whole run is kept for `retention` after its end', async t => {
    const { runs, eventsOf, producer, advance, wheel } = await startWithFakeTime(t, { retention: 1_000 })
    producer.yield('1')
    await advance(5_000)
    producer.return()
    await settle()
    await advance(900)
    t.equal((await eventsOf('a')).length, 2)
    t.equal(runs.size, 1)
    await advance(200)
    t.equal(runs.size, 0)
    t.equal(wheel.size, 0)
    await advance(6_000)
    t.strictSame(await eventsOf('a'), [])
    t.equal(await runs.get('a'), undefined)
    await t.rejects(runs.start('a', producer.produce), { code: 'SSE_ERR_RUN_FORGOTTEN', statusCode: 410 })
  })

  t.test('an endless producer is stopped at a limit and does not block the event loop', async t => {
    for (const options of [{ maxEvents: 1_000 }, { maxBytes: 40_000 }]) {
      let ticks = 0
      const ticking = setInterval(() => { ticks++ }, 0)
      t.teardown(() => clearInterval(ticking))
      const testRuns = createRuns()
      await testRuns.runs.start('a', function * () { for (;;) yield 'x'.repeat(40) }, options)
      while (testRuns.runs.list()[0]!.state === 'running') await nextTurn()
      const events = await testRuns.eventsOf('a')
      t.equal(events.length, 1_001)
      t.strictSame(events.at(-1), ['failed', { code: 'too_large', message: 'The result is too large', retryable: false }])
      t.not(ticks, 0, 'timers fired in the meantime')
    }
  })

  t.test('a run is aborted after `orphanTimeout` without viewers', async t => {
    const { runs, eventsOf, advance } = await startWithFakeTime(t, { orphanTimeout: 1_000 })
    const run = (await runs.get('a'))!
    await advance(900)
    const controller = new AbortController()
    const reading = run.read({ signal: controller.signal })[Symbol.asyncIterator]().next()
    reading.catch(() => {})
    await settle()
    t.equal(run.viewers, 1)
    await advance(5_000)
    t.equal(run.state, 'running')
    controller.abort(new Error('viewer left'))
    await t.rejects(reading, { message: 'viewer left' })
    t.equal(run.viewers, 0)
    await advance(900)
    t.equal(run.state, 'running')
    await advance(200)
    t.equal(run.state, 'aborted')
    t.strictSame(await eventsOf('a'), [['aborted', { reason: 'orphaned' }]])
  })
})

t.test('the producer stops when another process ends the run', async t => {
  const broker = memoryBroker()
  const producer = manualProducer()
  const first = await startRun(producer.produce, undefined, createRuns(broker))
  const second = createRuns(broker)
  producer.yield('x')
  await settle()
  t.equal(await second.runs.cancel('a'), true)
  await settle()
  t.equal(producer.hasEnded(), true)
  t.equal(first.runs.list()[0]!.state, 'aborted')
  t.strictSame(await first.eventsOf('a'), [[undefined, 'x'], ['aborted', { reason: 'cancelled' }]])
})

/** Creates a broker whose methods fail while `state.error` is set, and which delivers no entries while `state.isDeaf`. */
function unreliableBroker () {
  const broker = memoryBroker()
  const listeners: SseBrokerListener[] = []
  const state: { error: Error | undefined, isDeaf: boolean, listeners: SseBrokerListener[], attempts: number } = { error: undefined, isDeaf: false, listeners, attempts: 0 }
  const faulty: SseBroker = {
    publish: async (...args) => {
      state.attempts++
      if (state.error !== undefined) throw state.error
      return await broker.publish(...args)
    },
    subscribe: async (channel, listener) => {
      listeners.push(listener)
      return await broker.subscribe(channel, { onBreak: () => {}, onEntry: entry => { if (!state.isDeaf) listener.onEntry(entry) } })
    },
    replay: async (...args) => {
      if (state.error !== undefined) throw state.error
      return await broker.replay(...args)
    },
    close: broker.close.bind(broker)
  }
  return { state, broker, faulty }
}

t.test('a run fails if the broker rejects an event, and publishing the terminal event is retried', async t => {
  const { advance } = mockClock(t)
  const { state, faulty } = unreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(faulty))
  state.error = Object.assign(new Error('unavailable'), { code: 'UNAVAILABLE' })
  producer.yield('x')
  await settle()
  t.equal(testRuns.runs.list()[0]!.state, 'running')
  advance(2_500)
  state.error = undefined
  advance(1_000)
  await settle()
  t.strictSame(await testRuns.eventsOf('a'), [['failed', { code: 'producer_failed', message: 'An internal error occurred', retryable: false }]])
  t.equal(testRuns.runs.list()[0]!.state, 'failed')
})

t.test('publishing the terminal event is abandoned if the broker stays unavailable', async t => {
  for (const [error, attempts] of [[new Error('unavailable'), 60], [new SSE_ERR_BROKER_CLOSED(), 1]] as const) {
    t.test(error.message, async t => {
      const { advance } = mockClock(t)
      const { state, faulty } = unreliableBroker()
      const producer = manualProducer()
      const testRuns = await startRun(producer.produce, { retention: 1_000 }, createRuns(faulty))
      state.error = error
      state.attempts = 0
      const cancelling = testRuns.runs.cancel('a')
      for (let second = 0; second < 60; second++) {
        await settle(3)
        advance(1_000)
      }
      await cancelling
      t.equal(state.attempts, attempts)
      t.match(testRuns.logLines, [{ level: 'error', text: 'failed to publish the terminal event of a run' }])
      advance(1_200)
      t.equal(testRuns.runs.size, 0)
    })
  }
})

t.test('after a break in the subscription, the log is searched for the terminal event', async t => {
  const { state, broker, faulty } = unreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(faulty))
  state.listeners[0]!.onBreak()
  await settle()
  t.equal(testRuns.runs.list()[0]!.state, 'running', 'no terminal event in the log')
  state.isDeaf = true
  await broker.publish('run:a', { event: 'aborted', data: '{}' }, { history: KEEP_ALL })
  state.error = new Error('unavailable')
  state.listeners[0]!.onBreak()
  await settle()
  t.match(testRuns.logLines, [{ level: 'error', text: 'failed to read the log of a run', fields: { err: { message: 'unavailable' } } }])
  state.error = undefined
  state.listeners[0]!.onBreak()
  state.listeners[0]!.onBreak()
  await settle()
  t.equal(testRuns.runs.list()[0]!.state, 'aborted')
  t.equal(producer.hasEnded(), true)
})

t.test('a run fails if the broker rejects the subscription', async t => {
  const { broker, faulty } = unreliableBroker()
  const testRuns = createRuns({ ...faulty, subscribe: async () => { throw new Error('not subscribed') } })
  let called = false
  await testRuns.runs.start('a', () => {
    called = true
    return []
  })
  await settle()
  t.equal(called, false)
  t.equal((await broker.replay('run:a', undefined, 9)).entries.at(-1)!.event, 'failed')
})
