import t from 'tap'
import { ModelError } from '../../plugin/llm/model-error.ts'
import { resumeDelay, retryDelay } from '../../plugin/llm/retry-delay.ts'

const SETTINGS = { retries: 5, maxRetryDelay: 5_000 }

t.test('the delay doubles with each retry, up to maxRetryDelay', t => {
  const error = new ModelError('upstream_error')
  t.strictSame([0, 1, 2, 3, 4, 5].map(attempt => retryDelay(error, attempt, SETTINGS, 0)), [500, 1_000, 2_000, 4_000, 5_000, undefined])
  t.end()
})

t.test('jitter shortens the delay by up to a quarter', t => {
  const error = new ModelError('upstream_error')
  t.equal(retryDelay(error, 0, SETTINGS, 1), 375)
  const delays = Array.from({ length: 100 }, () => retryDelay(error, 0, SETTINGS)!)
  t.ok(delays.every(delay => delay >= 375 && delay <= 500))
  t.ok(new Set(delays).size > 1)
  t.end()
})

t.test('the delay that the upstream requests is used, unless it exceeds maxRetryDelay', t => {
  const delay = (retryAfter: number, random: number): number | undefined => retryDelay(new ModelError('upstream_rate_limit', { retryAfter }), 3, SETTINGS, random)
  t.equal(delay(1_000, 0), 1_000)
  t.equal(delay(1_000, 1), 1_250, 'jitter lengthens it')
  t.equal(delay(5_000, 1), 5_000)
  t.equal(delay(5_001, 0), undefined)
  t.equal(delay(0, 1), 0)
  t.end()
})

t.test('an error that is not retryable has no delay', t => {
  t.equal(retryDelay(new ModelError('upstream_auth'), 0, SETTINGS), undefined)
  t.equal(retryDelay(new ModelError('upstream_error', { retryable: false }), 0, SETTINGS), undefined)
  t.type(retryDelay(new ModelError('upstream_rejected', { retryable: true }), 0, SETTINGS), 'number', 'the upstream can override it')
  t.end()
})

t.test('a failed connection is retried once, and a timeout never', t => {
  for (const code of ['upstream_unreachable', 'upstream_connect_timeout'] as const) {
    t.type(retryDelay(new ModelError(code), 0, SETTINGS), 'number')
    t.equal(retryDelay(new ModelError(code), 1, SETTINGS), undefined)
    t.equal(retryDelay(new ModelError(code), 0, { ...SETTINGS, retries: 0 }), undefined)
  }
  for (const code of ['first_byte_timeout', 'first_token_timeout', 'idle_timeout'] as const) t.equal(retryDelay(new ModelError(code), 0, SETTINGS), undefined)
  t.end()
})

t.test('an answer is resumed up to `retries` times after any failure that may be temporary', t => {
  for (const code of ['upstream_unreachable', 'idle_timeout', 'upstream_cut'] as const) {
    t.strictSame([0, 4, 5].map(attempt => resumeDelay(new ModelError(code), attempt, SETTINGS, 0)), [500, 5_000, undefined])
  }
  t.equal(resumeDelay(new ModelError('upstream_not_found'), 0, SETTINGS), undefined)
  t.end()
})
