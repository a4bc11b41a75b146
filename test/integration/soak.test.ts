import t from 'tap'
import { suiteWith } from '../fixtures/programs.ts'
import { runInProcess } from '../fixtures/run-in-process.ts'
import type { SoakReport } from '../fixtures/soak/soak.ts'

suiteWith(t, 'redis-server', 'a soak of a few seconds', async t => {
  t.test('clients lose and repeat nothing while Redis and applications are restarted, and nothing is left of them', { timeout: 240_000 }, async t => {
    const { seed, faults, counts, rounds } = await runInProcess<SoakReport>('soak/soak-main.ts', '--minutes', '0.1')
    t.comment(`seed ${seed}: ${JSON.stringify(counts)}`)
    t.strictSame(faults, [])
    t.equal(rounds.length, 2)
    t.ok(counts.events! > 100 && counts.connections! > 50 && counts.runs! > 0 && counts.sources! > 0, 'there was enough to check')
  })
})
