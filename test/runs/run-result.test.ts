import t from 'tap'
import { event } from '../../plugin/wire/event.ts'
import { summarizeLog } from '../../plugin/runs/run-log.ts'
import { resultOf } from '../../plugin/runs/run-result.ts'
import { mockClock } from '../fixtures/clock.ts'
import { createRuns, manualProducer, settle } from '../fixtures/runs.ts'
import { UnreliableBroker } from '../fixtures/unreliable-broker.ts'

t.test('the text of a run is that of its events of a type', async t => {
  const { advance } = mockClock(t)
  const { runs, broker } = createRuns()
  const items = [
    'plain ', { text: 'object ' }, { n: 1 }, 'null', '"quoted"', '{"text":5}',
    event({ text: 'Hel' }, { event: 'delta' }), event({ text: 'hm' }, { event: 'reasoning' }), event('lo', { event: 'delta' })
  ]
  const { run } = await runs.start('a', () => items, { retention: 1_000 })
  await settle()
  const { generation, end } = (await summarizeLog(broker, 'run:a'))!
  const { text, ...result } = resultOf(run, end!, broker, generation)
  t.strictSame(result, { run, state: 'done', data: '{}' })
  t.equal(await text(), 'plain object {"n":1}null"quoted"{"text":5}')
  t.equal(await text('delta'), 'Hello')
  t.equal(await text('reasoning'), 'hm')
  t.equal(await text('other'), '')
  advance(700_000)
  await t.rejects(text(), { code: 'SSE_ERR_RUN_FORGOTTEN' })
})

t.test('the text of another run with the same id is not read', async t => {
  const broker = new UnreliableBroker()
  let text: Promise<string> | undefined
  await createRuns(broker).runs.start('a', () => ['x'], { onEnd: result => (text = result.text()) })
  await settle()
  t.equal(await text, 'x')
  const [lost, other] = [manualProducer(), manualProducer()]
  await createRuns(broker).runs.start('b', lost.produce, { onEnd: result => (text = result.text()) })
  broker.loseAllBut(0)
  await createRuns(broker).runs.start('b', other.produce)
  broker.breakAll()
  await settle()
  await t.rejects(text!, { code: 'SSE_ERR_RUN_FORGOTTEN' })
})
