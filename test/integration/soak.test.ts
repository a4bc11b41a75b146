import t from 'tap'
import { soak } from '../fixtures/soak.ts'

t.test('clients that connect and disconnect for ten seconds receive every event, or are told what is missing', { timeout: 240_000 }, async t => {
  const report = await soak({ subscribers: 100, duration: 10_000 })
  t.comment(JSON.stringify(report))
  t.strictSame(report.faults, [])
  t.ok(report.published > 100 && report.connections > 300, 'there was enough to check')
  t.equal(report.left, 0)
})
