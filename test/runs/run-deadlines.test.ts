import t from 'tap'
import { IDLE, TIMED_OUT } from '../../plugin/runs/failures.ts'
import { RunDeadlines } from '../../plugin/runs/run-deadlines.ts'
import { RunState } from '../../plugin/runs/run-state.ts'
import { mockClock } from '../fixtures/clock.ts'

t.test('a run ends at its earliest deadline', async t => {
  const { advance } = mockClock(t, 1_000)
  const run = new RunState('a')
  const deadlines = new RunDeadlines(run, { timeout: 500, idleTimeout: 200, orphanTimeout: 300 })
  deadlines.idleSince = 1_000
  t.equal(deadlines.next, 1_200)
  t.strictSame([1_199, 1_200, 1_500].map(now => deadlines.failureAt(now)), [undefined, IDLE, TIMED_OUT])
  t.strictSame([1_299, 1_300].map(now => deadlines.isOrphanedAt(now)), [false, true])
  run.addViewer()
  deadlines.idleSince = undefined
  advance(400)
  t.equal(deadlines.next, 1_500, 'it has a viewer, and its producer waits for the broker')
})

t.test('an item that is published later shows that the producer works, unless the producer waits for the broker', t => {
  const { advance } = mockClock(t, 1_000)
  const deadlines = new RunDeadlines(new RunState('a'), { timeout: 0, idleTimeout: 200, orphanTimeout: 0 })
  deadlines.itemYielded()
  t.equal(deadlines.idleSince, undefined)
  deadlines.idleSince = 1_000
  advance(150)
  deadlines.itemYielded()
  t.equal(deadlines.next, 1_350)
  t.end()
})

t.test('without time limits, a run has no deadline', async t => {
  const deadlines = new RunDeadlines(new RunState('a'), { timeout: 0, idleTimeout: 0, orphanTimeout: 0 })
  deadlines.idleSince = 0
  t.equal(deadlines.next, Infinity)
  t.equal(deadlines.failureAt(1e12), undefined)
  t.equal(deadlines.isOrphanedAt(1e12), false)
})
