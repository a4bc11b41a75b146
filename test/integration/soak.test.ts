import t from 'tap'
import { soak } from '../fixtures/soak.ts'

t.test('for ten seconds, whoever comes and goes has all there is or is told what is missing', { timeout: 90_000 }, async t => {
  const report = await soak({ subscribers: 100, duration: 10_000 })
  t.comment(JSON.stringify(report))
  t.strictSame(report.faults, [])
  t.ok(report.published > 500 && report.connections > 300, 'there was something to see')
  t.equal(report.left, 0)
})
