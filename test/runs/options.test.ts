import t from 'tap'
import { resolveReadOptions, resolveRunOptions, resolveWatchOptions, type SseReadOptions, type SseWatchOptions } from '../../plugin/runs/options.ts'
import { detailed } from '../fixtures/detailed.ts'

t.test('every limit of a run has a default', async t => {
  const defaults = { owner: undefined, onEnd: undefined, timeout: 3_600_000, idleTimeout: 1_200_000, orphanTimeout: 0, retention: 600_000, coalesce: 0, maxEvents: 50_000, maxBytes: 16_777_216 }
  t.strictSame(resolveRunOptions(undefined), defaults)
  t.strictSame(resolveRunOptions({ timeout: undefined }), defaults)
})

t.test('every limit can be set to a valid value', async t => {
  const options = { owner: 'ann', onEnd: () => {}, timeout: 0, idleTimeout: 0, orphanTimeout: 1, retention: 1, coalesce: 25, maxEvents: 1, maxBytes: 1_024 }
  t.strictSame(resolveRunOptions(options), options)
  const invalid = { owner: '', onEnd: {}, timeout: -1, idleTimeout: 1.5, orphanTimeout: '1', retention: 0, coalesce: 10_001, maxEvents: 0, maxBytes: 1_023, ttl: 5 }
  for (const [name, value] of Object.entries(invalid)) t.throws(() => resolveRunOptions({ [name]: value }), { code: 'SSE_ERR_OPTION', message: new RegExp(`\`${name}\``) })
  t.throws(() => resolveRunOptions(null as unknown as undefined), { code: 'SSE_ERR_OPTION', ...detailed('The options of runs.start() must be an object; received null') })
})

t.test('a viewer receives markers by default', async t => {
  t.strictSame(resolveWatchOptions(undefined), { markers: true })
  t.strictSame(resolveWatchOptions({ markers: false }), { markers: false })
  t.throws(() => resolveWatchOptions({ marker: false } as SseWatchOptions), { code: 'SSE_ERR_OPTION', message: 'Unknown option `marker`; expected one of markers' })
})

t.test('a reading starts at the beginning by default', async t => {
  t.strictSame(resolveReadOptions(undefined), { after: undefined, signal: undefined })
  const { signal } = new AbortController()
  t.strictSame(resolveReadOptions({ after: 'x', signal }), { after: 'x', signal })
  t.throws(() => resolveReadOptions({ signal: 5 } as unknown as SseReadOptions), { code: 'SSE_ERR_OPTION', ...detailed('Option `signal` must be an AbortSignal; received 5') })
})
