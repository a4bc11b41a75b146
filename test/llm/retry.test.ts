import t from 'tap'
import { ModelError } from '../../plugin/llm/model-error.ts'
import { delayOf } from '../../plugin/llm/retry.ts'

const LIMITS = { retries: 5, maxRetryDelay: 5_000 }

t.test('the delay doubles, and is never more than the most', t => {
  const error = new ModelError('upstream_error')
  t.strictSame([0, 1, 2, 3, 4, 5].map(repeated => delayOf(error, repeated, LIMITS, 0)), [500, 1_000, 2_000, 4_000, 5_000, undefined])
  t.end()
})

t.test('it is up to a quarter shorter, by chance', t => {
  const error = new ModelError('upstream_error')
  t.equal(delayOf(error, 0, LIMITS, 1), 375)
  const delays = Array.from({ length: 100 }, () => delayOf(error, 0, LIMITS)!)
  t.ok(delays.every(delay => delay >= 375 && delay <= 500))
  t.ok(new Set(delays).size > 1)
  t.end()
})

t.test('what the upstream asks for is waited for, unless it is too much', t => {
  const delay = (retryAfter: number, random: number): number | undefined => delayOf(new ModelError('upstream_rate_limit', { retryAfter }), 3, LIMITS, random)
  t.equal(delay(1_000, 0), 1_000)
  t.equal(delay(1_000, 1), 1_250, 'or a little longer')
  t.equal(delay(5_000, 1), 5_000)
  t.equal(delay(5_001, 0), undefined)
  t.equal(delay(0, 1), 0)
  t.end()
})

t.test('what will not pass is not repeated', t => {
  t.equal(delayOf(new ModelError('upstream_auth'), 0, LIMITS), undefined)
  t.equal(delayOf(new ModelError('upstream_error', { retryable: false }), 0, LIMITS), undefined)
  t.type(delayOf(new ModelError('upstream_rejected', { retryable: true }), 0, LIMITS), 'number', 'unless the upstream says otherwise')
  t.end()
})

t.test('some errors are repeated less often than others', t => {
  for (const code of ['upstream_unreachable', 'upstream_connect_timeout'] as const) {
    t.type(delayOf(new ModelError(code), 0, LIMITS), 'number')
    t.equal(delayOf(new ModelError(code), 1, LIMITS), undefined)
    t.equal(delayOf(new ModelError(code), 0, { ...LIMITS, retries: 0 }), undefined)
  }
  for (const code of ['first_byte_timeout', 'first_token_timeout', 'idle_timeout'] as const) t.equal(delayOf(new ModelError(code), 0, LIMITS), undefined)
  t.end()
})
