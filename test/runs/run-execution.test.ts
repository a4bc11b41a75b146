import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { event } from '../../plugin/wire/event.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { SSE_ERR_BROKER_CLOSED } from '../../plugin/base/errors.ts'
import type { SseBroker, SseBrokerListener } from '../../plugin/channels/broker.ts'
import { WHOLE } from '../../plugin/runs/run-log.ts'
import type { SseRunOptions } from '../../plugin/runs/options.ts'
import type { SseRunProducer } from '../../plugin/runs/runs.ts'
import { stillClock } from '../fixtures/clock.ts'
import { byHand, runsOn, type RunsScene } from '../fixtures/runs.ts'

const turns = async (count = 20): Promise<void> => { for (let turn = 0; turn < count; turn++) await nextTurn() }

/** A run, some turns later. */
async function started (producer: SseRunProducer | (() => unknown), options?: SseRunOptions, scene = runsOn()): Promise<RunsScene> {
  await scene.runs.start('a', producer as SseRunProducer, options)
  await turns()
  return scene
}

t.test('what a producer yields is the run, and what it returns its end', async t => {
  let given: AbortSignal | undefined
  const { log, runs, notes } = await started(async function * ({ signal }) {
    given = signal
    yield 'text'
    yield { n: 1 }
    yield event({ text: 'Hi' }, { event: 'delta', comment: 'c' })
    yield new Uint8Array([0xc3])
    yield new Uint8Array([0xa9])
    return { finishReason: 'stop' }
  })
  t.strictSame(await log('a'), [[undefined, 'text'], [undefined, { n: 1 }], ['delta', { text: 'Hi' }], [undefined, 'é'], ['done', { finishReason: 'stop' }]])
  t.match(runs.list(), [{ id: 'a', state: 'done', viewers: 0, events: 4, age: Number }])
  t.strictSame(notes, [])
  t.equal(given!.aborted, false, 'there was nothing to be stopped')
})

t.test('an iterable that returns nothing ends with nothing to say', async t => {
  for (const producer of [() => ['x'], async () => ['x'], () => new Set(['x'])]) {
    const { log } = await started(producer)
    t.strictSame(await log('a'), [[undefined, 'x'], ['done', {}]])
  }
})

t.test('a producer that fails, fails its run, and tells clients nothing of the inside', async t => {
  const failed = { code: 'producer_failed', message: 'It failed on the server', retryable: false }
  const rows: Array<[producer: () => unknown, data: Array<string | undefined>, failure: object]> = [
    [async function * () { yield 'x'; throw new Error('secret') }, ['x'], failed],
    [() => { throw new Error('secret') }, [], failed],
    [async () => { throw Object.assign(new Error('secret'), { code: 'ECONNREFUSED' }) }, [], { ...failed, code: 'ECONNREFUSED' }],
    [async function * () { throw Object.assign(new Error('Busy'), { expose: true, code: 'busy', retryable: true }) }, [], { code: 'busy', message: 'Busy', retryable: true }],
    [() => 'text', [], { ...failed, code: 'SSE_ERR_SOURCE' }],
    [async function * () { yield 1n }, [], { ...failed, code: 'SSE_ERR_SERIALIZE' }],
    [async function * () { return 1n }, [], { ...failed, code: 'SSE_ERR_SERIALIZE' }],
    [async function * () { yield event('x', { event: 'a\nb' }) }, [], { ...failed, code: 'SSE_ERR_EVENT' }],
    [async function * () { yield event('x', { id: '7' }) }, [], { ...failed, code: 'SSE_ERR_EVENT' }],
    [async function * () { yield event('x', { event: 'done' }) }, [], { ...failed, code: 'SSE_ERR_EVENT' }]
  ]
  for (const [producer, data, failure] of rows) {
    const { log, runs, notes } = await started(producer)
    t.strictSame(await log('a'), [...data.map(text => [undefined, text]), ['failed', failure]])
    t.equal(runs.list()[0]!.state, 'failed')
    t.match(notes, [{ level: 'error', text: 'a run failed', fields: { run: 'a', err: Error } }])
  }
})

t.test('a run that is cancelled ends at once, whatever its producer does', async t => {
  const hand = byHand()
  const signals: AbortSignal[] = []
  const scene = await started(({ signal }: { signal: AbortSignal }) => {
    signals.push(signal)
    return hand.produce({ signal })
  })
  hand.give('x')
  await turns()
  t.equal(await scene.runs.cancel('a'), true)
  t.equal(await scene.runs.cancel('a'), true, 'again')
  t.match(signals[0], { aborted: true, reason: { code: 'SSE_ERR_RUN_OVER', message: /aborted/ } })
  await turns()
  t.strictSame(await scene.log('a'), [[undefined, 'x'], ['aborted', { reason: 'cancelled' }]])
  t.equal(hand.ended(), true, 'its generator was ended')
  t.strictSame(scene.notes, [])
})

t.test('what goes wrong in a producer after its end is logged', async t => {
  const scene = await started(() => ({
    [Symbol.asyncIterator]: () => ({ next: async () => await new Promise<never>(() => {}), return: async () => { throw new Error('cannot') } })
  }))
  await scene.runs.cancel('a')
  await turns()
  t.match(scene.notes, [{ level: 'error', text: 'the producer of a run failed after it was ended', fields: { err: { message: 'cannot' } } }])
})

t.test('limits', async t => {
  const clocked = async (t: Test, options: SseRunOptions): Promise<RunsScene & { hand: ReturnType<typeof byHand>, pass: (ms: number) => Promise<void> }> => {
    const { pass } = stillClock(t)
    const hand = byHand()
    const scene = await started(hand.produce, options)
    return {
      ...scene,
      hand,
      pass: async ms => {
        pass(ms)
        await turns()
      }
    }
  }

  t.test('a run that takes too long fails', async t => {
    const { log, hand, pass, notes } = await clocked(t, { timeout: 1_000, idleTimeout: 600 })
    hand.give('1')
    await pass(500)
    hand.give('2')
    await pass(400)
    t.strictSame(await log('a'), [[undefined, 1], [undefined, 2]])
    await pass(200)
    t.strictSame((await log('a'))[2], ['failed', { code: 'timeout', message: 'It took too long', retryable: true }])
    t.match(notes, [{ level: 'warn', text: 'a run has reached a limit', fields: { run: 'a', failure: { code: 'timeout' } } }])
  })

  t.test('and so does one whose producer says nothing for too long', async t => {
    const { log, hand, pass } = await clocked(t, { idleTimeout: 600 })
    await pass(500)
    hand.give('1')
    await pass(1)
    await pass(500)
    t.strictSame(await log('a'), [[undefined, 1]])
    await pass(250)
    t.strictSame((await log('a'))[1], ['failed', { code: 'idle_timeout', message: 'It was silent for too long', retryable: true }])
  })

  t.test('without them it goes on', async t => {
    const { runs, wheel, pass } = await clocked(t, { timeout: 0, idleTimeout: 0 })
    await pass(60_000)
    t.equal(runs.list()[0]!.state, 'running')
    t.equal(wheel.size, 0)
  })

  t.test('a run is kept for a while after its end, all of it', async t => {
    const { runs, log, hand, pass, wheel } = await clocked(t, { retention: 1_000 })
    hand.give('1')
    await pass(5_000)
    hand.end()
    await turns()
    await pass(900)
    t.equal((await log('a')).length, 2)
    t.equal(runs.size, 1)
    await pass(200)
    t.equal(runs.size, 0)
    t.equal(wheel.size, 0)
    await pass(6_000)
    t.strictSame(await log('a'), [])
    t.equal(await runs.get('a'), undefined)
    await t.rejects(runs.start('a', hand.produce), { code: 'SSE_ERR_RUN_FORGOTTEN', statusCode: 410 })
  })

  t.test('a producer that yields for ever is stopped, and lets others work', async t => {
    for (const options of [{ maxEvents: 1_000 }, { maxBytes: 40_000 }]) {
      let ticks = 0
      const ticking = setInterval(() => { ticks++ }, 0)
      t.teardown(() => clearInterval(ticking))
      const scene = runsOn()
      await scene.runs.start('a', function * () { for (;;) yield 'x'.repeat(40) }, options)
      while (scene.runs.list()[0]!.state === 'running') await nextTurn()
      const events = await scene.log('a')
      t.equal(events.length, 1_001)
      t.strictSame(events.at(-1), ['failed', { code: 'too_large', message: 'It became too large', retryable: false }])
      t.not(ticks, 0, 'the event loop went round meanwhile')
    }
  })

  t.test('a run that nobody watches may be ended', async t => {
    const { runs, log, pass } = await clocked(t, { orphanTimeout: 1_000 })
    const run = (await runs.get('a'))!
    await pass(900)
    const controller = new AbortController()
    const reading = run.read({ signal: controller.signal })[Symbol.asyncIterator]().next()
    reading.catch(() => {})
    await turns()
    t.equal(run.viewers, 1)
    await pass(5_000)
    t.equal(run.state, 'running')
    controller.abort(new Error('enough'))
    await t.rejects(reading, { message: 'enough' })
    t.equal(run.viewers, 0)
    await pass(900)
    t.equal(run.state, 'running')
    await pass(200)
    t.equal(run.state, 'aborted')
    t.strictSame(await log('a'), [['aborted', { reason: 'orphaned' }]])
  })
})

t.test('a run that was ended by another process stops here', async t => {
  const broker = memoryBroker()
  const hand = byHand()
  const here = await started(hand.produce, undefined, runsOn(broker))
  const there = runsOn(broker)
  hand.give('x')
  await turns()
  t.equal(await there.runs.cancel('a'), true)
  await turns()
  t.equal(hand.ended(), true)
  t.equal(here.runs.list()[0]!.state, 'aborted')
  t.strictSame(await here.log('a'), [[undefined, 'x'], ['aborted', { reason: 'cancelled' }]])
})

/** A broker whose publications fail as long as it is told to, and which may miss what it should tell. */
function unreliable () {
  const broker = memoryBroker()
  const listeners: SseBrokerListener[] = []
  const state: { error: Error | undefined, deaf: boolean, listeners: SseBrokerListener[], attempts: number } = { error: undefined, deaf: false, listeners, attempts: 0 }
  const faulty: SseBroker = {
    publish: async (...args) => {
      state.attempts++
      if (state.error !== undefined) throw state.error
      return await broker.publish(...args)
    },
    subscribe: async (channel, listener) => {
      listeners.push(listener)
      return await broker.subscribe(channel, { onBreak: () => {}, onEntry: entry => { if (!state.deaf) listener.onEntry(entry) } })
    },
    replay: async (...args) => {
      if (state.error !== undefined) throw state.error
      return await broker.replay(...args)
    },
    close: broker.close.bind(broker)
  }
  return { state, broker, faulty }
}

t.test('what the broker does not take fails the run, and its end is tried again', async t => {
  const { pass } = stillClock(t)
  const { state, faulty } = unreliable()
  const hand = byHand()
  const scene = await started(hand.produce, undefined, runsOn(faulty))
  state.error = Object.assign(new Error('away'), { code: 'AWAY' })
  hand.give('x')
  await turns()
  t.equal(scene.runs.list()[0]!.state, 'running')
  pass(2_500)
  state.error = undefined
  pass(1_000)
  await turns()
  t.strictSame(await scene.log('a'), [['failed', { code: 'AWAY', message: 'It failed on the server', retryable: false }]])
  t.equal(scene.runs.list()[0]!.state, 'failed')
})

t.test('an end that the broker never takes is given up', async t => {
  for (const [error, attempts] of [[new Error('away'), 60], [new SSE_ERR_BROKER_CLOSED(), 1]] as const) {
    t.test(error.message, async t => {
      const { pass } = stillClock(t)
      const { state, faulty } = unreliable()
      const hand = byHand()
      const scene = await started(hand.produce, { retention: 1_000 }, runsOn(faulty))
      state.error = error
      state.attempts = 0
      const ended = scene.runs.cancel('a')
      for (let second = 0; second < 60; second++) {
        await turns(3)
        pass(1_000)
      }
      await ended
      t.equal(state.attempts, attempts)
      t.match(scene.notes, [{ level: 'error', text: 'the end of a run was not published' }])
      pass(1_200)
      t.equal(scene.runs.size, 0, 'and the run is forgotten')
    })
  }
})

t.test('an end that was missed is looked for', async t => {
  const { state, broker, faulty } = unreliable()
  const hand = byHand()
  const scene = await started(hand.produce, undefined, runsOn(faulty))
  state.listeners[0]!.onBreak()
  await turns()
  t.equal(scene.runs.list()[0]!.state, 'running', 'nothing was')
  state.deaf = true
  await broker.publish('run:a', { event: 'aborted', data: '{}' }, { history: WHOLE })
  state.error = new Error('away')
  state.listeners[0]!.onBreak()
  await turns()
  t.match(scene.notes, [{ level: 'error', text: 'the log of a run was not read', fields: { err: { message: 'away' } } }])
  state.error = undefined
  state.listeners[0]!.onBreak()
  state.listeners[0]!.onBreak()
  await turns()
  t.equal(scene.runs.list()[0]!.state, 'aborted')
  t.equal(hand.ended(), true)
})

t.test('a broker that cannot be followed fails the run', async t => {
  const { broker, faulty } = unreliable()
  const scene = runsOn({ ...faulty, subscribe: async () => { throw new Error('deaf') } })
  let called = false
  await scene.runs.start('a', () => {
    called = true
    return []
  })
  await turns()
  t.equal(called, false)
  t.equal((await broker.replay('run:a', undefined, 9)).entries.at(-1)!.event, 'failed')
})
