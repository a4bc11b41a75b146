import t from 'tap'
import { RunState } from '../../plugin/runs/run-state.ts'
import { SseEntry } from '../../plugin/wire/entry.ts'
import { mockClock } from '../fixtures/clock.ts'

t.test('a run is orphaned until its first viewer joins and after its last viewer leaves', async t => {
  const { advance } = mockClock(t)
  const run = new RunState('a')
  const calls: string[] = []
  run.onViewed = () => calls.push('viewed')
  run.onOrphaned = () => calls.push('orphaned')
  t.equal(run.orphanedSince, performance.now())
  run.addViewer()
  run.addViewer()
  t.strictSame([run.viewers, run.orphanedSince, calls], [2, Infinity, ['viewed']])
  run.removeViewer()
  t.equal(run.orphanedSince, Infinity)
  advance(1_000)
  run.removeViewer()
  t.strictSame([run.viewers, run.orphanedSince, calls], [0, performance.now(), ['viewed', 'orphaned']])
})

t.test('the type of the last event is the status of the run', async t => {
  const run = new RunState('a')
  t.equal(run.status, 'running')
  run.end = new SseEntry('epoch.1-0', { event: 'failed', data: '{}' })
  t.equal(run.status, 'failed')
})

t.test('a run is complete for a client whose last event id is that of the end, or a later one', async t => {
  const end = new SseEntry('epoch.5-1', { event: 'done', data: '{}' })
  t.equal(new RunState('a').isCompleteFor('epoch.5-1'), false, 'while the run is in progress')
  const run = new RunState('a', undefined, end)
  for (const id of ['epoch.5-1', 'epoch.5-2', 'epoch.6-0']) t.equal(run.isCompleteFor(id), true, id)
  for (const id of [undefined, 'epoch.5-0', 'epoch.4-9', 'other.5-1', 'invalid']) t.equal(run.isCompleteFor(id), false, String(id))
})

t.test('an invalid id is rejected', async t => {
  t.throws(() => new RunState('a\n'), { code: 'SSE_ERR_RUN_ID' })
})

t.test('the end that a viewer has received is the end of the run, unless the run has one', async t => {
  const [first, second] = ['done', 'failed'].map((event, index) => new SseEntry(`epoch.${index}-0`, { event, data: '{}' }))
  const run = new RunState('a')
  run.onEndSeen(first!)
  run.onEndSeen(second!)
  t.equal(run.status, 'done')
})

t.test('a run without callbacks counts its viewers', async t => {
  const run = new RunState('a')
  run.addViewer()
  t.equal(run.viewers, 1)
  run.removeViewer()
  t.equal(run.viewers, 0)
})
