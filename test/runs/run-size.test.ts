import t from 'tap'
import { RUNS_FULL, TOO_LARGE } from '../../plugin/runs/failures.ts'
import { RunSize } from '../../plugin/runs/run-size.ts'

t.test('events count with their text and 256 bytes each, up to the limits of the run and of all runs', async t => {
  let left = 2_000
  const allRuns = { reserve: (bytes: number) => (left -= bytes) >= 0 }
  const size = new RunSize({ maxEvents: 3, maxBytes: 1_000 }, allRuns)
  t.equal(size.add({ data: 'x'.repeat(44), event: 'delta!' }), undefined)
  t.strictSame([size.events, size.bytes, left], [1, 306, 1_694])
  t.equal(size.add({ data: 'x'.repeat(500) }), TOO_LARGE)
  t.equal(size.add({ data: 'é' }), undefined)
  t.equal(size.bytes, 306 + 258)
  t.equal(size.add({ data: '' }), TOO_LARGE, 'the number of events')
  left = 100
  t.equal(new RunSize({ maxEvents: 3, maxBytes: 1_000 }, allRuns).add({ data: 'x' }), RUNS_FULL)
})
