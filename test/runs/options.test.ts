import t from 'tap'
import { resolveRunOptions } from '../../plugin/runs/options.ts'

t.test('every limit of a run has a default', async t => {
  const defaults = { timeout: 900_000, idleTimeout: 120_000, orphanTimeout: 0, retention: 600_000, maxEvents: 50_000, maxBytes: 4_194_304 }
  t.strictSame(resolveRunOptions(undefined), defaults)
  t.strictSame(resolveRunOptions({ timeout: undefined }), defaults)
})

t.test('every limit can be set, and not to anything', async t => {
  const given = { timeout: 0, idleTimeout: 0, orphanTimeout: 1, retention: 1, maxEvents: 1, maxBytes: 1_024 }
  t.strictSame(resolveRunOptions(given), given)
  const wrong = { timeout: -1, idleTimeout: 1.5, orphanTimeout: '1', retention: 0, maxEvents: 0, maxBytes: 1_023, ttl: 5 }
  for (const [name, value] of Object.entries(wrong)) t.throws(() => resolveRunOptions({ [name]: value }), { code: 'SSE_ERR_OPTION', message: new RegExp(name) })
})
