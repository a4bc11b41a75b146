import t from 'tap'
import { build } from '../fixtures/app.ts'
import { manualProducer } from '../fixtures/runs.ts'

t.test('app.sse.runs starts, lists, finds and cancels runs', async t => {
  const { app: { sse: { runs } } } = await build(t)
  const producer = manualProducer()
  const { run, repeated } = await runs.start('a', producer.produce)
  t.equal(repeated, false)
  t.equal(await runs.get('a'), run)
  t.equal(runs.size, 1)
  t.match(runs.list(), [{ id: 'a', state: 'running', viewers: 0, events: 0, age: Number }])
  t.equal(await runs.cancel('a'), true)
  t.equal(run.state, 'aborted')
})
