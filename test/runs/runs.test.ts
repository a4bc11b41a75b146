import t from 'tap'
import type { SseRuns } from 'fastify-sse-emitter'
import { build } from '../fixtures/app.ts'
import { membersOf } from '../fixtures/members.ts'
import { manualProducer } from '../fixtures/runs.ts'

t.test('app.sse.runs has the documented members and no others', async t => {
  const { app } = await build(t)
  // The compiler checks that these are the members of the interface.
  const documented: Record<keyof SseRuns, true> = { size: true, list: true, start: true, get: true, cancel: true }
  t.strictSame(membersOf(app.sse.runs), Object.keys(documented).sort())
})

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
