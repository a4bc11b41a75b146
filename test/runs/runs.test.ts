import t from 'tap'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import type { SseRunProducer } from '../../plugin/runs/runs.ts'
import { DistantBroker } from '../fixtures/distant-broker.ts'
import { byHand, runsOn } from '../fixtures/runs.ts'

t.test('one id, one producer, however often and wherever it is started', async t => {
  for (const broker of [memoryBroker(), new DistantBroker()]) {
    const [here, there] = [runsOn(broker), runsOn(broker)]
    let producers = 0
    const producer: SseRunProducer = context => {
      producers++
      return byHand().produce(context)
    }
    const started = await Promise.all([here, there, here, there].map(async ({ runs }) => await runs.start('a', producer)))
    t.equal(started.filter(({ repeated }) => !repeated).length, 1)
    t.ok(started.every(({ run }) => run.id === 'a' && run.state === 'running'))
    t.equal((await here.runs.start('a', producer)).repeated, true)
    t.equal((await there.runs.start('a', producer)).repeated, true)
    t.equal(here.runs.size + there.runs.size, 1)
    t.equal((await here.runs.get('a'))!.state, 'running')
    await here.runs.cancel('a')
    t.equal((await there.runs.start('a', producer)).repeated, true, 'also when it has ended')
    t.equal((await there.runs.get('a'))!.state, 'aborted')
    t.equal(producers, 1)
  }
})

t.test('who asks while a run begins gets it', async t => {
  const { runs } = runsOn(new DistantBroker())
  const starting = runs.start('a', byHand().produce)
  t.equal(await runs.get('a'), (await starting).run)
})

t.test('what is not there is not there', async t => {
  const { runs } = runsOn()
  t.equal(await runs.get('a'), undefined)
  t.equal(await runs.cancel('a'), false)
  await t.rejects(runs.get('a\n'), { code: 'SSE_ERR_RUN_ID' })
  await t.rejects(runs.cancel(''), { code: 'SSE_ERR_RUN_ID' })
})

t.test('what cannot be a run is refused', async t => {
  const { runs } = runsOn()
  await t.rejects(runs.start('', () => []), { code: 'SSE_ERR_RUN_ID' })
  await t.rejects(runs.start('a', [] as unknown as SseRunProducer), { code: 'SSE_ERR_OPTION', message: /producer/ })
  await t.rejects(runs.start('a', () => [], { timeout: -1 }), { code: 'SSE_ERR_OPTION', message: /timeout/ })
  t.equal(runs.size, 0)
})

t.test('there may be so many runs and no more', async t => {
  const { runs } = runsOn(undefined, 2)
  const { produce } = byHand()
  const results = await Promise.allSettled(['a', 'b', 'c'].map(async id => await runs.start(id, produce)))
  t.strictSame(results.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected'])
  await t.rejects(runs.start('c', produce), { code: 'SSE_ERR_RUNS_FULL', statusCode: 503, headers: { 'retry-after': '60' } })
  t.equal((await runs.start('a', produce)).repeated, true, 'the ones there are can be attached to')
})

t.test('a start that the broker refuses leaves nothing behind', async t => {
  const { runs, broker } = runsOn(undefined, 1)
  await broker.close()
  for (let times = 0; times < 2; times++) await t.rejects(runs.start('a', () => []), { code: 'SSE_ERR_BROKER_CLOSED' })
  t.equal(runs.size, 0)
})

t.test('when the process stops, its runs fail, and none begins', async t => {
  const scene = runsOn()
  const { runs, log } = scene
  await runs.start('a', byHand().produce)
  await runs.start('b', () => ['x'])
  await new Promise(resolve => { setImmediate(resolve) })
  await runs.close()
  t.strictSame(await log('a'), [['failed', { code: 'shutdown', message: 'The server has stopped', retryable: true }]])
  t.strictSame(await log('b'), [[undefined, 'x'], ['done', {}]], 'who has ended has ended')
  await t.rejects(runs.start('c', () => []), { code: 'SSE_ERR_RUNS_CLOSED', statusCode: 503 })
  t.equal((await runs.start('a', () => [])).repeated, true)
})
