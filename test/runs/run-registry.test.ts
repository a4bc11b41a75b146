import fc from 'fast-check'
import t, { type Test } from 'tap'
import { detailed } from '../fixtures/detailed.ts'
import { UnreliableBroker } from '../fixtures/unreliable-broker.ts'
import { HeldBroker } from '../fixtures/held-broker.ts'
import { mockClock } from '../fixtures/clock.ts'
import { Deferred } from '../../plugin/base/deferred.ts'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import type { SseRunLookup } from '../../plugin/runs/options.ts'
import type { SseRunProducer } from '../../plugin/runs/runs.ts'
import { SlowBroker } from '../fixtures/slow-broker.ts'
import { createRuns, manualProducer, settle } from '../fixtures/runs.ts'

/** Lets a scheduler decide the order of all requests, responses and deliveries. */
function scheduledBroker (broker: SseBroker, scheduler: fc.Scheduler): SseBroker {
  const schedule = async <Result>(request: () => Promise<Result>): Promise<Result> => {
    await scheduler.schedule(Promise.resolve())
    const result = await request()
    await scheduler.schedule(Promise.resolve())
    return result
  }
  // Entries arrive in order, also those of different channels.
  let delivered = Promise.resolve()
  const later = (deliver: () => void): void => { delivered = delivered.then(() => scheduler.schedule(Promise.resolve())).then(deliver) }
  return {
    publish: async (...args) => await schedule(() => broker.publish(...args)),
    subscribe: async (channel, listener) => await schedule(() => broker.subscribe(channel, {
      onEntry: entry => { later(() => { listener.onEntry(entry) }) },
      onBreak: () => { later(() => { listener.onBreak() }) }
    })),
    replay: async (...args) => await schedule(() => broker.replay(...args)),
    close: async () => {}
  }
}

t.test('a run has one producer, regardless of how often and in which process it is started', async t => {
  for (const broker of [memoryBroker(), new SlowBroker()]) {
    const [first, second] = [createRuns(broker), createRuns(broker)]
    let producers = 0
    const producer: SseRunProducer = context => {
      producers++
      return manualProducer().produce(context)
    }
    const started = await Promise.all([first, second, first, second].map(async ({ runs }) => await runs.start('a', producer)))
    t.equal(started.filter(({ repeated }) => !repeated).length, 1)
    t.ok(started.every(({ run }) => run.id === 'a' && run.state === 'running'))
    t.equal((await first.runs.start('a', producer)).repeated, true)
    t.equal((await second.runs.start('a', producer)).repeated, true)
    t.equal(first.runs.size + second.runs.size, 1)
    t.equal((await first.runs.get('a'))!.state, 'running')
    await first.runs.cancel('a')
    t.equal((await second.runs.start('a', producer)).repeated, true, 'after its end')
    t.equal((await second.runs.get('a'))!.state, 'aborted')
    t.equal(producers, 1)
  }
})

t.test('a run that continues for longer than the broker remembers its beginning has one producer', async t => {
  const { advance } = mockClock(t)
  const broker = memoryBroker()
  const [first, second] = [createRuns(broker), createRuns(broker)]
  await first.runs.start('a', manualProducer().produce, { timeout: 0, idleTimeout: 0 })
  advance(601_000)
  const { run, repeated } = await second.runs.start('a', failsIfCalled(t))
  t.equal(repeated, true)
  t.equal(run.state, 'running')
})

t.test('get() finds a run that is being started', async t => {
  const { runs } = createRuns(new SlowBroker())
  const starting = runs.start('a', manualProducer().produce)
  t.equal(await runs.get('a'), (await starting).run)
})

t.test('get() and cancel() report an unknown id, and reject an invalid one', async t => {
  const { runs } = createRuns()
  t.equal(await runs.get('a'), undefined)
  t.equal(await runs.cancel('a'), false)
  await t.rejects(runs.get('a', { owner: '' }), { code: 'SSE_ERR_OPTION', message: /owner/ })
  await t.rejects(runs.cancel('a', { owner: null } as unknown as SseRunLookup), { code: 'SSE_ERR_OPTION', message: /owner/ })
  await t.rejects(runs.cancel('a', 'ann' as unknown as SseRunLookup), { code: 'SSE_ERR_OPTION', message: /runs\.cancel\(\)/ })
  await t.rejects(runs.get('a\n'), { code: 'SSE_ERR_RUN_ID' })
  await t.rejects(runs.cancel(''), { code: 'SSE_ERR_RUN_ID' })
})

t.test('a run of another owner does not exist for a caller, in every process and at any step', async t => {
  for (const broker of [memoryBroker(), new SlowBroker()]) {
    const [first, second] = [createRuns(broker), createRuns(broker)]
    const producers = { ann: manualProducer(), bob: manualProducer(), none: manualProducer() }
    const starting = first.runs.start('a', producers.ann.produce, { owner: 'ann' })
    t.equal(await first.runs.get('a', { owner: 'bob' }), undefined, 'while it is being started')
    const { run } = await starting
    t.strictSame([run.id, run.owner], ['a', 'ann'])
    for (const { runs } of [first, second]) {
      for (const options of [{ owner: 'bob' }, {}, undefined, { owner: undefined }]) {
        t.equal(await runs.get('a', options), undefined)
        t.equal(await runs.cancel('a', options), false)
      }
      t.match(await runs.get('a', { owner: 'ann' }), { id: 'a', owner: 'ann', state: 'running' })
    }
    t.equal((await second.runs.start('a', failsIfCalled(t), { owner: 'ann' })).repeated, true)
    t.equal((await second.runs.start('a', producers.bob.produce, { owner: 'bob' })).repeated, false, 'the id is free for others')
    t.equal((await first.runs.start('a', producers.none.produce)).repeated, false)
    t.match(first.runs.list(), [{ id: 'a', owner: 'ann', state: 'running' }, { id: 'a', owner: undefined, state: 'running' }])
    t.equal(await second.runs.cancel('a', { owner: 'ann' }), true)
    await settle()
    t.strictSame(Object.values(producers).map(producer => producer.hasEnded()), [true, false, false])
    t.strictSame([first, second].map(({ runs }) => runs.list().map(({ owner, state }) => [owner, state])), [[['ann', 'aborted'], [undefined, 'running']], [['bob', 'running']]])
  }
})

t.test('runs with one id and several owners are forgotten one by one', async t => {
  const { advance } = mockClock(t)
  const { runs } = createRuns()
  await runs.start('a', () => [], { owner: 'ann', retention: 1_000 })
  await runs.start('a', () => [], { owner: 'bob', retention: 3_000 })
  await settle()
  advance(1_200)
  t.match(runs.list(), [{ id: 'a', owner: 'bob' }])
  t.equal(runs.size, 1)
})

t.test('start() rejects invalid arguments', async t => {
  const { runs } = createRuns()
  await t.rejects(runs.start('', () => []), { code: 'SSE_ERR_RUN_ID' })
  await t.rejects(runs.start('a', [] as unknown as SseRunProducer), { code: 'SSE_ERR_OPTION', ...detailed('The producer of a run must be a function that returns an iterable; received an array') })
  await t.rejects(runs.start('a', () => [], { timeout: -1 }), { code: 'SSE_ERR_OPTION', message: /timeout/ })
  t.equal(runs.size, 0)
})

t.test('a process has at most `maxRuns` runs', async t => {
  const { runs } = createRuns(undefined, 2)
  const { produce } = manualProducer()
  const results = await Promise.allSettled(['a', 'b', 'c'].map(async id => await runs.start(id, produce)))
  t.strictSame(results.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected'])
  await t.rejects(runs.start('c', produce), { code: 'SSE_ERR_RUNS_FULL', statusCode: 503, headers: { 'retry-after': '60' } })
  t.equal((await runs.start('a', produce)).repeated, true, 'existing runs are returned at the limit')
})

t.test('a start that the broker rejects does not count as a run', async t => {
  const { runs, broker } = createRuns(undefined, 1)
  await broker.close()
  for (let times = 0; times < 2; times++) await t.rejects(runs.start('a', () => []), { code: 'SSE_ERR_BROKER_CLOSED' })
  t.equal(runs.size, 0)
})

t.test('closing fails the runs of the process, and no run can be started afterwards', async t => {
  const { runs, eventsOf } = createRuns()
  await runs.start('a', manualProducer().produce)
  await runs.start('b', () => ['x'])
  await settle(1)
  await runs.close()
  t.strictSame(await eventsOf('a'), [['failed', { code: 'shutdown', message: 'The server was shut down', retryable: true }]])
  t.strictSame(await eventsOf('b'), [[undefined, 'x'], ['done', {}]], 'a run that has ended does not change')
  await t.rejects(runs.start('c', () => []), { code: 'SSE_ERR_RUNS_CLOSED', statusCode: 503 })
  t.equal((await runs.start('a', () => [])).repeated, true)
})

const failsIfCalled = (t: Test) => () => {
  t.fail('the producer was called')
  return []
}

const STEPS = [['replay', 'request'], ['replay', 'response'], ['subscribe', 'request'], ['subscribe', 'response'], ['publish', 'request'], ['publish', 'response']] as const

t.test('while the broker does not respond, get(), start() and cancel() reject within five seconds', async t => {
  const { advance } = mockClock(t)
  for (const [method, moment] of STEPS) {
    t.test(`${method}, ${moment}`, async t => {
      const broker = new HeldBroker(memoryBroker())
      const { runs, eventsOf } = createRuns(broker, 1)
      const hold = broker.hold(method, moment)
      let called = false
      const outcome = runs.start('a', () => {
        called = true
        return []
      }).catch(error => error)
      await hold.reached
      const same = runs.start('a', () => []).catch(error => error)
      advance(5_000)
      for (const error of await Promise.all([outcome, same])) t.match(error, { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503 })
      await t.rejects(runs.start('b', () => []), { code: 'SSE_ERR_RUNS_FULL' }, 'it still waits for the broker')
      hold.release()
      await settle()
      t.equal(called, false)
      const isBegun = method === 'publish'
      t.equal(runs.size, isBegun ? 1 : 0)
      t.strictSame(await eventsOf('a'), isBegun ? [['failed', { code: 'not_started', message: 'The operation could not be started', retryable: true }]] : [])
      t.equal((await runs.start('a', () => [])).repeated, isBegun)
    })
  }

  const broker = new HeldBroker(memoryBroker())
  const { runs } = createRuns(broker)
  for (const call of [() => runs.get('a'), () => runs.cancel('a')]) {
    const hold = broker.hold('replay', 'request')
    const outcome = call().catch(error => error)
    await hold.reached
    advance(5_000)
    t.match(await outcome, { code: 'SSE_ERR_BROKER_UNAVAILABLE' })
    hold.release()
  }
})

t.test('a run whose beginning may have been published fails if it can not be started', async t => {
  for (const isPublished of [true, false]) {
    t.test(isPublished ? 'it was published' : 'it was not published', async t => {
      const { advance } = mockClock(t)
      const broker = new UnreliableBroker()
      const { publish } = broker
      const testRuns = createRuns(broker)
      if (isPublished) broker.lostReplies = Infinity
      else broker.publish = async () => { throw new Error('unavailable') }
      const outcome = testRuns.runs.start('a', failsIfCalled(t)).catch(error => error)
      for (let second = 0; second < 7; second++) {
        await settle(3)
        advance(1_000)
      }
      t.match(await outcome, { code: 'SSE_ERR_BROKER_UNAVAILABLE' })
      broker.lostReplies = 0
      broker.publish = publish
      advance(1_000)
      await settle()
      t.match(await testRuns.eventsOf('a'), isPublished ? [['failed', { code: 'not_started' }]] : [])
      advance(700_000)
      await settle()
      t.equal(broker.listeners.length, 0)
    })
  }
})

t.test('a start that fails because the log cannot be read leaves nothing behind', async t => {
  const broker = new UnreliableBroker()
  const testRuns = createRuns(broker)
  broker.publish = async () => { throw new TypeError('broken') }
  const { replay } = broker
  broker.replay = async (...args) => {
    const page = await replay.apply(broker, args)
    broker.error = new Error('unreadable')
    return page
  }
  await t.rejects(testRuns.runs.start('a', () => []), { message: 'broken' })
  await settle()
  t.match(testRuns.logLines, [{ level: 'error', text: 'failed to read the log of a run', fields: { err: { message: 'unreadable' } } }])
  t.equal(broker.listeners.length, 0)
})

t.test('a run whose broker refuses the subscription is not started, and not kept', async t => {
  const broker = memoryBroker()
  const { runs } = createRuns({ ...broker, publish: broker.publish.bind(broker), replay: broker.replay.bind(broker), close: async () => {}, subscribe: async () => { throw new Error('not subscribed') } })
  await t.rejects(runs.start('a', failsIfCalled(t)), { message: 'not subscribed' })
  t.equal(runs.size, 0)
  t.equal(await runs.get('a'), undefined)
})

t.test('get() beside a start that is refused finds no run', async t => {
  const broker = new HeldBroker(memoryBroker())
  const { runs } = createRuns(broker)
  const hold = broker.hold('subscribe', 'request')
  const starting = runs.start('a', () => []).catch(error => error)
  await hold.reached
  const getting = runs.get('a')
  hold.fail(new Error('refused'))
  t.match(await starting, { message: 'refused' })
  t.equal(await getting, undefined)
})

t.test('closing ends runs that are being started, without a call of their producers', async t => {
  for (const [method, moment] of STEPS) {
    t.test(`${method}, ${moment}`, async t => {
      const broker = new HeldBroker(memoryBroker())
      const { runs, eventsOf } = createRuns(broker)
      const hold = broker.hold(method, moment)
      const outcome = runs.start('a', failsIfCalled(t)).catch(error => error)
      await hold.reached
      let closed = false
      const closing = runs.close().then(() => { closed = true })
      await settle()
      t.equal(closed, false)
      hold.release()
      await closing
      t.match(await outcome, { code: 'SSE_ERR_RUNS_CLOSED' })
      t.match(await eventsOf('a'), [['failed', { code: 'shutdown' }]])
    })
  }
})

t.test('a run that is cancelled by another process at any step of its start is aborted, or was not there yet', async t => {
  for (const [method, moment] of STEPS) {
    for (const [otherMethod, otherMoment] of STEPS.filter(([method]) => method !== 'subscribe')) {
      const broker = memoryBroker()
      const [firstBroker, secondBroker] = [new HeldBroker(broker), new HeldBroker(broker)]
      const [first, second] = [createRuns(firstBroker), createRuns(secondBroker)]
      const [hold, otherHold] = [firstBroker.hold(method, moment), secondBroker.hold(otherMethod, otherMoment)]
      const producer = manualProducer()
      const starting = first.runs.start('a', producer.produce)
      await hold.reached
      const cancelling = second.runs.cancel('a')
      await Promise.race([otherHold.reached, cancelling])
      hold.release()
      await settle()
      otherHold.release()
      const found = await cancelling
      await starting
      await settle()
      const name = `${method}, ${moment}; ${otherMethod}, ${otherMoment}`
      t.equal(first.runs.list()[0]!.state, found ? 'aborted' : 'running', name)
      t.strictSame(await first.eventsOf('a'), found ? [['aborted', { reason: 'cancelled' }]] : [], name)
    }
  }
})

t.test('whatever the order of requests and responses, a run has one producer and one end, and every process knows it', async () => {
  const command = fc.constantFrom('start', 'start', 'cancel', 'return', 'yield', 'yield')
  await fc.assert(fc.asyncProperty(fc.scheduler(), fc.array(fc.tuple(fc.nat(1), command, fc.nat(20)), { minLength: 2, maxLength: 8 }), async (scheduler, commands) => {
    const broker = memoryBroker()
    const processes = [0, 1].map(() => createRuns(scheduledBroker(broker, scheduler)))
    const producers: Array<ReturnType<typeof manualProducer>> = []
    const calls = commands.map(async ([index, name, steps]) => {
      // Otherwise, there would be no producer yet.
      for (let step = 0; step < steps; step++) await scheduler.schedule(Promise.resolve())
      const { runs } = processes[index]!
      if (name === 'cancel') return await runs.cancel('a')
      if (name !== 'start') return producers.forEach(producer => name === 'yield' ? producer.yield('x') : producer.return())
      await runs.start('a', context => {
        producers.push(manualProducer())
        return producers.at(-1)!.produce(context)
      })
    })
    await scheduler.waitFor(Promise.all(calls))
    await scheduler.waitFor(settle())
    await scheduler.waitAll()
    if (producers.length > 1) throw new Error(`${producers.length} producers`)
    const { entries } = await broker.replay('run:a', undefined, 1_000)
    const ends = entries.filter(({ event }) => event !== undefined)
    if (ends.length > 1) throw new Error(`${ends.length} ends`)
    const producing = processes.filter(({ runs }) => runs.size > 0)
    const state = ends.length === 0 ? 'running' : ends[0]!.event
    // A run that is cancelled before its producer is called has none.
    const expected = producers.length === 0 && state === 'aborted' ? ends.length : producers.length
    if (producing.length !== expected) throw new Error(`${producing.length} processes have the run`)
    for (const { runs } of producing) if (runs.list()[0]!.state !== state) throw new Error(`${runs.list()[0]!.state} instead of ${state}`)
    if (ends.length > 0 && entries.at(-1) !== ends[0]) throw new Error('an event follows the end')
    if (producers.some(producer => producer.hasEnded() !== (ends.length > 0))) throw new Error('the producer goes on')
    await Promise.all(processes.map(({ runs }) => scheduler.waitFor(runs.close())))
  }), { numRuns: 100 })
})

t.test('all runs of a process together have at most `maxRunBytes` bytes, until they are forgotten', async t => {
  const { advance } = mockClock(t)
  const { runs, eventsOf } = createRuns(undefined, 0, 2_000)
  const text = 'x'.repeat(744)
  await runs.start('a', () => [text], { retention: 1_000 })
  await runs.start('b', () => [text, text], { retention: 1_000 })
  await settle()
  t.match((await eventsOf('a')).at(-1), ['done', {}])
  t.match((await eventsOf('b')).slice(1), [['failed', { code: 'runs_full', retryable: true }]])
  await t.rejects(runs.start('c', () => []), { code: 'SSE_ERR_RUNS_FULL', statusCode: 503 })
  advance(1_200)
  t.equal(runs.size, 0)
  await runs.start('c', () => [text])
  await settle()
  t.match((await eventsOf('c')).at(-1), ['done', {}])
})

t.test('a viewer that leaves when its run is forgotten does not change the bytes of the other runs', async t => {
  const { advance } = mockClock(t)
  const { runs, eventsOf, wheel } = createRuns(undefined, 0, 2_000)
  const text = 'x'.repeat(744)
  const { run } = await runs.start('a', () => [text], { retention: 1_000 })
  const reading = run.read()[Symbol.asyncIterator]()
  await reading.next()
  await settle()
  advance(1_200)
  t.equal(runs.size, 0)
  await reading.return!()
  t.equal(wheel.size, 0)
  advance(200)
  await runs.start('b', () => [text, text, text])
  await settle()
  t.match((await eventsOf('b')).slice(2), [['failed', { code: 'runs_full' }]])
})

t.test('the producers of a process have ended when their onEnd callbacks are done', async t => {
  const { runs } = createRuns()
  const saved = new Deferred<void>()
  await runs.start('a', () => [], { onEnd: () => saved.promise })
  await settle()
  await runs.close()
  let hasEnded = false
  const ended = runs.producersEnded().then(() => { hasEnded = true })
  await settle()
  t.equal(hasEnded, false)
  saved.resolve()
  await ended
})

t.test('the producers of a process have ended when what they do last is done', async t => {
  const { runs } = createRuns()
  const saved = new Deferred<void>()
  let isSaved = false
  await runs.start('a', async function * () {
    try {
      yield 'x'
      await new Promise(resolve => { setTimeout(resolve, 50) })
      yield 'y'
    } finally {
      await saved.promise
      isSaved = true
    }
  })
  await runs.start('b', () => ['x'])
  await settle()
  await runs.close()
  const ended = runs.producersEnded()
  t.equal(isSaved, false)
  saved.resolve()
  await ended
  t.equal(isSaved, true)
})
