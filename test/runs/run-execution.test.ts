import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter, once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { event, SseEvent } from '../../plugin/wire/event.ts'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { SSE_ERR_BROKER_CLOSED } from '../../plugin/base/errors.ts'
import type { SseFailure } from '../../plugin/base/failure.ts'
import { KEEP_ALL } from '../../plugin/runs/run-log.ts'
import type { SseRunOptions } from '../../plugin/runs/options.ts'
import type { SseRunResult } from '../../plugin/runs/run-result.ts'
import type { SseRunProducer } from '../../plugin/runs/runs.ts'
import { mockClock } from '../fixtures/clock.ts'
import { hostileErrors } from '../fixtures/hostile-errors.ts'
import { HeldBroker } from '../fixtures/held-broker.ts'
import { UnreliableBroker } from '../fixtures/unreliable-broker.ts'
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

type Row = [producer: () => unknown, data: Array<string | undefined>, failure: SseFailure]

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
    t.match(logLines, [{ level: failure.retryable ? 'warn' : 'error', text: 'run failed', fields: { run: 'a', err: Error } }])
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

  t.test('with the default limits, a run may be silent for 19 minutes, and take 59', async t => {
    const { runs, producer, advance } = await startWithFakeTime(t, {})
    for (const minutes of [19, 19, 19, 2]) {
      await advance(minutes * 60_000)
      producer.yield('x')
      await settle()
    }
    t.equal(runs.list()[0]!.state, 'running')
    await advance(60_001)
    t.equal(runs.list()[0]!.state, 'failed')
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
    for (const options of [{ maxEvents: 1_000 }, { maxBytes: 296_000 }]) {
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

t.test('joined text', async t => {
  const delta = (text: string) => event({ text }, { event: 'delta' })
  const startJoining = async (t: Test, options: SseRunOptions = {}, broker: SseBroker = memoryBroker()) => {
    const clock = mockClock(t)
    const producer = manualProducer()
    const testRuns = await startRun(producer.produce, { coalesce: 25, ...options }, createRuns(broker))
    const yieldAll = async (...texts: string[]): Promise<void> => {
      for (const text of texts) producer.yield(delta(text))
      await settle()
    }
    return { ...testRuns, producer, yieldAll, advance: clock.advance }
  }

  t.test('is one event of the run', async t => {
    const { eventsOf, producer, yieldAll, advance, runs } = await startJoining(t)
    await yieldAll('a', 'b', 'c')
    t.strictSame(await eventsOf('a'), [['delta', { text: 'a' }]])
    advance(25)
    await settle()
    await yieldAll('d', 'e')
    producer.yield({ n: 1 })
    producer.return({ tokens: 5 })
    await settle()
    t.strictSame(await eventsOf('a'), [['delta', { text: 'a' }], ['delta', { text: 'bc' }], ['delta', { text: 'de' }], [undefined, { n: 1 }], ['done', { tokens: 5 }]])
    t.match(runs.list(), [{ state: 'done', events: 4 }])
  })

  t.test('shows that the producer works, however short `idleTimeout` is', async t => {
    const { eventsOf, yieldAll, advance } = await startJoining(t, { coalesce: 2_000, idleTimeout: 600 })
    for (let second = 0; second < 4; second += 0.5) {
      await yieldAll('a')
      advance(500)
      await settle(3)
    }
    t.strictSame(await eventsOf('a'), ['a', 'aaa', 'aaaa'].map(text => delta(text)).map(({ fields, data }) => [fields.event, data]))
    advance(1_000)
    await settle()
    t.match((await eventsOf('a')).at(-1), ['failed', { code: 'idle_timeout' }])
  })

  t.test('that exceeds a limit ends the run: nothing follows the gap', async t => {
    const { eventsOf, logLines } = await startRun(function * () {
      yield * ['a', 'x'.repeat(800), { n: 1 }, 'b']
    }, { coalesce: 25, maxBytes: 1_024 })
    t.match(await eventsOf('a'), [[undefined, 'a'], ['failed', { code: 'too_large' }]])
    t.equal(logLines.length, 1)
  })

  t.test('precedes the terminal event, however the run ends', async t => {
    const ends: Array<[type: string, end: (testRuns: Awaited<ReturnType<typeof startJoining>>) => unknown]> = [
      ['done', ({ producer }) => producer.return()],
      ['failed', ({ producer }) => producer.yield(1n)],
      ['aborted', ({ runs }) => runs.cancel('a')],
      ['failed', ({ runs }) => runs.close()]
    ]
    for (const [type, end] of ends) {
      const testRuns = await startJoining(t)
      await testRuns.yieldAll('a', 'b', 'c')
      await end(testRuns)
      await settle()
      t.match(await testRuns.eventsOf('a'), [['delta', { text: 'a' }], ['delta', { text: 'bc' }], [type, {}]])
    }
  })

  t.test('is discarded if another process has ended the run', async t => {
    const { broker, eventsOf, yieldAll, advance, wheel } = await startJoining(t, { retention: 1 })
    await yieldAll('a', 'b')
    await createRuns(broker).runs.cancel('a')
    advance(1_000)
    await settle()
    t.match(await eventsOf('a'), [])
    t.equal(wheel.size, 0)
  })

  t.test('is published after an outage, also if the run has ended and is forgotten', async t => {
    const broker = new UnreliableBroker()
    const { eventsOf, yieldAll, advance, runs, logLines } = await startJoining(t, { timeout: 1_000, retention: 2_000, maxBytes: 1_024 }, broker)
    await yieldAll('a', 'b')
    broker.error = new Error('unavailable')
    advance(25)
    await yieldAll('c', 'd')
    for (let second = 0; second < 5; second++) {
      advance(1_000)
      await settle(3)
    }
    t.equal(runs.size, 0)
    broker.error = undefined
    for (let second = 0; second < 3; second++) {
      advance(1_000)
      await settle()
    }
    t.match(await eventsOf('a'), [['delta', { text: 'a' }], ['delta', { text: 'b' }], ['delta', { text: 'cd' }], ['failed', { code: 'timeout' }]])
    t.strictSame(logLines.filter(({ level }) => level === 'error'), [])
  })

  t.test('that exceeds a limit fails the run, unless the run has ended already', async t => {
    const { eventsOf, yieldAll, advance } = await startJoining(t, { maxEvents: 1 })
    await yieldAll('a', 'b')
    advance(25)
    await settle()
    t.match(await eventsOf('a'), [['delta', { text: 'a' }], ['failed', { code: 'too_large' }]])
    const returning = await startJoining(t, { maxEvents: 1 })
    await returning.yieldAll('a', 'b')
    returning.producer.return()
    await settle()
    t.match(await returning.eventsOf('a'), [['delta', { text: 'a' }], ['failed', { code: 'too_large' }]])
    const cancelled = await startJoining(t, { maxEvents: 1 })
    await cancelled.yieldAll('a', 'b')
    await cancelled.runs.cancel('a')
    t.match(await cancelled.eventsOf('a'), [['delta', { text: 'a' }], ['aborted', { reason: 'cancelled' }]])
  })

  t.test('that cannot be published fails the run, although its producer yields nothing more', async t => {
    const { eventsOf, producer, yieldAll, advance, logLines } = await startJoining(t)
    await yieldAll('a')
    producer.yield({ text: 'b', n: 1n })
    await settle()
    advance(25)
    await settle()
    t.match(await eventsOf('a'), [['delta', { text: 'a' }], ['failed', { code: 'SSE_ERR_SERIALIZE' }]])
    t.match(logLines, [{ level: 'error', text: 'run failed', fields: { err: Error } }])
    t.equal(producer.hasEnded(), true)
  })

  t.test('is neither lost nor doubled, whenever the broker fails or loses replies, and however the run ends', async t => {
    const clock = mockClock(t)
    const step = fc.tuple(
      fc.constantFrom<unknown>('a', 'b', { text: 'c' }, delta('d'), event('e', { event: 'delta' }), { n: 1 }),
      fc.constantFrom('', '', '', 'loses a reply', 'fails', 'pauses')
    )
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 15 }), fc.constantFrom('done', 'aborted'), async (steps, end) => {
      const broker = new UnreliableBroker()
      const producer = manualProducer()
      const { runs, eventsOf } = await startRun(producer.produce, { coalesce: 25 }, createRuns(broker))
      let expected = ''
      for (const [item, fault] of steps) {
        if (fault === 'loses a reply') broker.lostReplies = 1
        if (fault === 'fails') Object.assign(broker, { error: new Error('unavailable'), failures: 2 })
        producer.yield(item)
        expected += JSON.stringify(item instanceof SseEvent ? [item.fields.event, item.data] : [null, item])
        await settle(4)
        if (fault === 'pauses') clock.advance(30)
      }
      // The outages end, and the producer yields the rest. The delay before a retry is at most a second.
      for (let times = 0; times < 20; times++) {
        clock.advance(500)
        await settle(4)
      }
      // This is still held when the run ends.
      for (const text of ['x', 'y']) producer.yield(text)
      await settle(4)
      expected += '[null,"x"][null,"y"]'
      if (end === 'done') producer.return()
      else await runs.cancel('a')
      await settle()
      const events = await eventsOf('a')
      // Neighbors of the same kind count as one.
      const join = (text: string): string => text.replaceAll('"}]["delta",{"text":"', '').replaceAll('"}][null,{"text":"', '').replaceAll('"]["delta","', '').replaceAll('"][null,"', '')
      assert.equal(join(events.slice(0, -1).map(([type, data]) => JSON.stringify([type ?? null, data])).join('')), join(expected))
      assert.equal(events.at(-1)![0], end)
    }), { numRuns: 60 })
  })

  t.test('does not let an endless producer block the event loop', async t => {
    let ticks = 0
    const ticking = setInterval(() => { ticks++ }, 0)
    t.teardown(() => clearInterval(ticking))
    const { runs, eventsOf } = createRuns()
    await runs.start('a', function * () { for (;;) yield 'x'.repeat(40) }, { coalesce: 25, maxBytes: 100_000 })
    while (runs.list()[0]!.state === 'running') await nextTurn()
    t.match((await eventsOf('a')).at(-1), ['failed', { code: 'too_large' }])
    t.not(ticks, 0)
  })
})

t.test('onEnd', async t => {
  const startStoring = async (options: SseRunOptions = {}, testRuns = createRuns()) => {
    const stored: unknown[] = []
    const producer = manualProducer()
    const onEnd = async ({ run, state, data, text }: SseRunResult): Promise<void> => {
      stored.push([run.id, run.owner, run.state, state, JSON.parse(data), await text('delta')])
    }
    await startRun(producer.produce, { onEnd, ...options }, testRuns)
    for (const text of ['Hel', 'lo']) producer.yield(event({ text }, { event: 'delta' }))
    await settle()
    return { ...testRuns, stored, producer }
  }

  t.test('receives the state, the data and the text of the run, once', async t => {
    const aborted = { reason: 'cancelled' }
    const ends: Array<[state: string, data: object, end: (testRuns: Awaited<ReturnType<typeof startStoring>>) => unknown]> = [
      ['done', { usage: 5 }, ({ producer }) => producer.return({ usage: 5 })],
      ['failed', { code: 'SSE_ERR_SERIALIZE', message: 'An internal error occurred', retryable: false }, ({ producer }) => producer.yield(1n)],
      ['aborted', aborted, ({ runs }) => runs.cancel('a')],
      ['aborted', aborted, ({ broker }) => createRuns(broker).runs.cancel('a')],
      ['failed', { code: 'shutdown', message: 'The server was shut down', retryable: true }, ({ runs }) => runs.close()]
    ]
    for (const [state, data, end] of ends) {
      for (const coalesce of [0, 10_000]) {
        const testRuns = await startStoring({ coalesce })
        t.strictSame(testRuns.stored, [])
        await end(testRuns)
        testRuns.producer.return()
        await settle()
        const isOfAnother = coalesce > 0 && end === ends[3]![2]
        t.strictSame(testRuns.stored, [['a', undefined, state, state, data, isOfAnother ? 'Hel' : 'Hello']])
      }
    }
  })

  t.test('is called when the terminal event is in the log, also after an outage in which the run was forgotten', async t => {
    const { advance } = mockClock(t)
    const broker = new UnreliableBroker()
    const { runs, stored } = await startStoring({ retention: 2_000 }, createRuns(broker))
    broker.error = new Error('unavailable')
    runs.cancel('a').catch(() => {})
    for (let second = 0; second < 5; second++) {
      advance(1_000)
      await settle(3)
    }
    t.strictSame([runs.size, stored], [0, []])
    broker.error = undefined
    advance(1_000)
    await settle()
    t.match(stored, [['a', undefined, 'aborted', 'aborted', { reason: 'cancelled' }, 'Hello']])
  })

  t.test('is not called again if the log loses the terminal event', async t => {
    const broker = new UnreliableBroker()
    const { producer, stored } = await startStoring({}, createRuns(broker))
    producer.return()
    await settle()
    broker.loseAllBut(3)
    broker.breakAll()
    await settle()
    t.equal(stored.length, 1)
  })

  t.test('is not called without a call of the producer', async t => {
    const { runs } = createRuns()
    const starting = runs.start('a', () => { throw new Error('Called') }, { onEnd: () => t.fail('called') })
    const closing = runs.close()
    await t.rejects(starting, { code: 'SSE_ERR_RUNS_CLOSED' })
    await closing
    await settle()
  })

  t.test('that throws or rejects is logged, and changes nothing', async t => {
    const errors: Array<() => unknown> = [() => { throw new Error('refused') }, async () => { throw new Error('refused') }]
    for (const onEnd of errors) {
      const { eventsOf, logLines } = await startRun(() => ['x'], { onEnd })
      t.match(logLines, [{ level: 'error', text: 'the onEnd callback of a run failed', fields: { run: 'a', err: { message: 'refused' } } }])
      t.match(await eventsOf('a'), [[undefined, 'x'], ['done', {}]])
    }
  })

  t.test('runs in the context of the start', async t => {
    const storage = new AsyncLocalStorage<string>()
    const broker = memoryBroker()
    const { runs } = createRuns(broker)
    const contexts: unknown[] = []
    await storage.run('start', () => runs.start('a', manualProducer().produce, { onEnd: () => contexts.push(storage.getStore()) }))
    await storage.run('cancel', () => createRuns(broker).runs.cancel('a'))
    await settle()
    t.strictSame(contexts, ['start'])
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

t.test('an event that the broker rejects is published when the broker accepts it, and the producer waits', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const yielded: number[] = []
  const testRuns = await startRun(async function * () {
    for (let number = 0; number < 3; number++) {
      if (number === 1) broker.error = new Error('unavailable')
      yielded.push(number)
      yield number
    }
  }, { timeout: 0, idleTimeout: 1_000 }, createRuns(broker))
  for (let second = 0; second < 10; second++) {
    await settle(3)
    advance(1_000)
  }
  t.strictSame(yielded, [0, 1])
  t.match(testRuns.logLines, [{ level: 'warn', text: 'the broker did not accept an event of a run, which will be published again', fields: { err: { message: 'unavailable' } } }], 'once')
  t.equal(testRuns.runs.list()[0]!.state, 'running', 'the time that the broker takes does not count as the producer\'s')
  broker.error = undefined
  advance(1_000)
  await settle()
  t.strictSame(await testRuns.eventsOf('a'), [[undefined, 0], [undefined, 1], [undefined, 2], ['done', {}]])
})

t.test('an event that was published although the broker has rejected it is not published again', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(broker))
  for (const text of ['1', '1', '2']) {
    broker.lostReplies = 1
    producer.yield(text)
    await settle()
    advance(100)
    await settle()
  }
  producer.return()
  broker.lostReplies = 1
  await settle()
  advance(100)
  await settle()
  t.strictSame(await testRuns.eventsOf('a'), [[undefined, 1], [undefined, 1], [undefined, 2], ['done', {}]])
  t.equal(testRuns.runs.list()[0]!.state, 'done')
})

t.test('an event that was given up when the run ended precedes its end if it was published', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(broker))
  broker.lostReplies = 1
  producer.yield('x')
  await settle()
  await testRuns.runs.cancel('a')
  advance(100)
  await settle()
  t.strictSame(await testRuns.eventsOf('a'), [[undefined, 'x'], ['aborted', { reason: 'cancelled' }]])
  t.equal(producer.hasEnded(), true)
})

t.test('a run times out while its broker is unavailable', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, { timeout: 5_000 }, createRuns(broker))
  broker.error = new Error('unavailable')
  producer.yield('x')
  for (let second = 0; second < 10; second++) {
    await settle(3)
    advance(1_000)
  }
  t.equal(producer.hasEnded(), true)
  broker.error = undefined
  advance(1_000)
  await settle()
  t.match(await testRuns.eventsOf('a'), [['failed', { code: 'timeout' }]])
  t.equal((await testRuns.eventsOf('a')).length, 1)
})

t.test('an event that the broker refuses as invalid fails the run', async t => {
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(broker))
  broker.error = Object.assign(new TypeError('invalid'), { code: 'SSE_ERR_EVENT' })
  broker.failures = 1
  producer.yield('x')
  await settle()
  t.match(await testRuns.eventsOf('a'), [['failed', { code: 'SSE_ERR_EVENT' }]])
})

t.test('the terminal event of a run that was forgotten during an outage is published when the broker accepts it', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, { retention: 20_000 }, createRuns(broker))
  broker.error = new Error('unavailable')
  const cancelled = testRuns.runs.cancel('a').catch(error => error)
  for (let second = 0; second < 25; second++) {
    await settle(3)
    advance(1_000)
  }
  t.match(await cancelled, { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503 })
  t.equal(testRuns.runs.size, 0, 'it takes no place')
  broker.error = undefined
  await settle()
  advance(1_000)
  await settle()
  t.strictSame(await testRuns.eventsOf('a'), [['aborted', { reason: 'cancelled' }]])
  t.equal(testRuns.wheel.size, 0, 'it is not kept again')
  t.strictSame(testRuns.logLines.filter(({ level }) => level === 'error'), [])
})

t.test('publishing the terminal event is given up when the broker is closed', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, { retention: 20_000 }, createRuns(broker))
  broker.error = new SSE_ERR_BROKER_CLOSED()
  t.equal(await testRuns.runs.cancel('a'), true)
  t.match(testRuns.logLines.filter(({ level }) => level === 'error'), [{ text: 'failed to publish the terminal event of a run', fields: { err: { message: broker.error.message } } }])
  const { attempts } = broker
  advance(10_000)
  await settle()
  t.equal(broker.attempts, attempts)
  advance(11_000)
  t.equal(testRuns.runs.size, 0)
})

t.test('a terminal event that the log has lost is published again', async t => {
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(broker))
  producer.yield('x')
  producer.return('result')
  await settle()
  t.equal((await testRuns.eventsOf('a')).length, 2)
  broker.loseAllBut(2)
  broker.breakAll()
  await settle()
  t.strictSame(await testRuns.eventsOf('a'), [[undefined, 'x'], ['done', 'result']])
  t.equal(testRuns.runs.list()[0]!.state, 'done')
})

const LOG_LOST = { code: 'log_lost', message: 'Events of the operation were lost', retryable: true }

t.test('a run whose log has lost events fails', async t => {
  const steps: Array<[name: string, step: (producer: ManualProducer, broker: UnreliableBroker) => void]> = [
    ['on a break', (_producer, broker) => broker.breakAll()],
    ['when its next event is refused', producer => producer.yield('y')],
    ['when its end is refused', producer => producer.return()]
  ]
  for (const [name, step] of steps) {
    for (const kept of [0, 1]) {
      t.test(`${name}, with ${kept} entries left`, async t => {
        const broker = new UnreliableBroker()
        const producer = manualProducer()
        const testRuns = await startRun(producer.produce, undefined, createRuns(broker))
        producer.yield('x')
        await settle()
        broker.loseAllBut(kept)
        step(producer, broker)
        await settle()
        t.strictSame(await testRuns.eventsOf('a'), [['failed', LOG_LOST]])
        t.equal(testRuns.runs.list()[0]!.state, 'failed')
        t.equal(producer.hasEnded(), true)
        if (!name.endsWith('end is refused')) t.match(testRuns.logLines, [{ level: 'error', text: 'run failed', fields: { err: { code: 'SSE_ERR_RUN_LOG_LOST' } } }])
      })
    }
  }
})

t.test('a run whose log was replaced by that of another run ends, and leaves that log alone', async t => {
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(broker))
  broker.loseAllBut(0)
  const other = await startRun(manualProducer().produce, undefined, createRuns(broker))
  broker.breakAll()
  await settle()
  t.equal(testRuns.runs.list()[0]!.state, 'failed')
  t.equal(producer.hasEnded(), true)
  t.equal(other.runs.list()[0]!.state, 'running')
  t.strictSame(await other.eventsOf('a'), [])
})

t.test('a run whose log has another epoch, and all of its events, continues', async t => {
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(broker))
  producer.yield('1')
  await settle()
  broker.loseAllBut(2)
  broker.breakAll()
  await settle()
  producer.yield('2')
  producer.return()
  await settle()
  t.strictSame(await testRuns.eventsOf('a'), [[undefined, 1], [undefined, 2], ['done', {}]])
})

t.test('after a break in the subscription, the log is searched for the terminal event', async t => {
  const broker = new UnreliableBroker()
  const producer = manualProducer()
  const testRuns = await startRun(producer.produce, undefined, createRuns(broker))
  broker.breakAll()
  await settle()
  t.equal(testRuns.runs.list()[0]!.state, 'running', 'no terminal event in the log')
  broker.isDeaf = true
  await broker.publish('run:a', { event: 'aborted', data: '{}' }, { history: KEEP_ALL })
  broker.error = new Error('unavailable')
  broker.breakAll()
  await settle()
  t.match(testRuns.logLines, [{ level: 'error', text: 'failed to read the log of a run', fields: { err: { message: 'unavailable' } } }])
  broker.error = undefined
  broker.breakAll()
  broker.breakAll()
  await settle()
  t.equal(testRuns.runs.list()[0]!.state, 'aborted')
  t.equal(producer.hasEnded(), true)
})

t.test('an end that arrives before the broker has confirmed the beginning ends the run', async t => {
  const broker = memoryBroker()
  const held = new HeldBroker(broker)
  const { runs, eventsOf } = createRuns(held)
  const hold = held.hold('publish', 'response')
  const starting = runs.start('a', () => {
    t.fail('the producer was called')
    return []
  })
  await hold.reached
  await createRuns(broker).runs.cancel('a')
  hold.release()
  t.equal((await starting).run.state, 'aborted')
  t.strictSame(await eventsOf('a'), [['aborted', { reason: 'cancelled' }]])
})

t.test('an end of an earlier run with the same id is ignored', async t => {
  const broker = memoryBroker()
  const held = new HeldBroker(broker)
  const { runs } = createRuns(held)
  const hold = held.hold('publish', 'request')
  const starting = runs.start('a', manualProducer().produce)
  await hold.reached
  await broker.publish('run:a', { event: 'aborted', data: '{}' }, { history: { ...KEEP_ALL, count: 0 } })
  hold.release()
  t.equal((await starting).run.state, 'running')
})

t.test('breaks before the beginning and while the end is published change nothing', async t => {
  const { advance } = mockClock(t)
  const broker = new UnreliableBroker()
  const { runs, eventsOf, logLines } = createRuns(broker)
  const starting = runs.start('a', manualProducer().produce)
  await settle(1)
  broker.breakAll()
  await starting
  broker.lostReplies = 1
  broker.isDeaf = true
  const cancelled = runs.cancel('a')
  await settle()
  broker.loseAllBut(0)
  broker.breakAll()
  await settle()
  advance(50)
  await cancelled
  await settle()
  t.match(await eventsOf('a'), [['failed', { code: 'log_lost' }]])
  t.strictSame(logLines.filter(({ level }) => level === 'error'), [])
})

t.test('a producer that ends its run while it is aborted changes nothing', async t => {
  const { runs, eventsOf } = createRuns()
  await runs.start('a', async function * ({ signal }) {
    signal.addEventListener('abort', () => { runs.cancel('a') })
    await new Promise(() => {})
  }, { maxEvents: 1 })
  await runs.close()
  t.match(await eventsOf('a'), [['failed', { code: 'shutdown' }]])
})
