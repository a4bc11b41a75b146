import t from 'tap'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import type { SseRunProducer } from '../../plugin/runs/runs.ts'
import { SlowBroker } from '../fixtures/slow-broker.ts'
import { createRuns, manualProducer, settle } from '../fixtures/runs.ts'

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

t.test('get() finds a run that is being started', async t => {
  const { runs } = createRuns(new SlowBroker())
  const starting = runs.start('a', manualProducer().produce)
  t.equal(await runs.get('a'), (await starting).run)
})

t.test('get() and cancel() report an unknown id, and reject an invalid one', async t => {
  const { runs } = createRuns()
  t.equal(await runs.get('a'), undefined)
  t.equal(await runs.cancel('a'), false)
  await t.rejects(runs.get('a\n'), { code: 'SSE_ERR_RUN_ID' })
  await t.rejects(runs.cancel(''), { code: 'SSE_ERR_RUN_ID' })
})

t.test('start() rejects invalid arguments', async t => {
  const { runs } = createRuns()
  await t.rejects(runs.start('', () => []), { code: 'SSE_ERR_RUN_ID' })
  await t.rejects(runs.start('a', [] as unknown as SseRunProducer), { code: 'SSE_ERR_OPTION', message: 'The producer of a run must be a function that returns an iterable; received an array' })
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
