import t from 'tap'
import { MAX_DELAY } from '../../plugin/base/option-checks.ts'
import { Backoff } from '../../plugin/client/backoff.ts'
import { resolveConnectOptions, type SseRetryOptions } from '../../plugin/client/options.ts'

const createBackoff = (retry: SseRetryOptions = {}): Backoff => new Backoff(resolveConnectOptions({ retry: { jitter: 0, ...retry } }).retry)

/** The delays after consecutive failures. */
const delays = (backoff: Backoff, count: number): number[] => Array.from({ length: count }, () => backoff.next(undefined)!.delay)

t.test('the delay doubles with each failure up to the maximum, until it is reset', async t => {
  const backoff = createBackoff({ initial: 100, max: 1_000 })
  t.strictSame(delays(backoff, 5), [100, 200, 400, 800, 1_000])
  backoff.reset()
  t.strictSame(delays(backoff, 2), [100, 200])
  t.equal(delays(backoff, 2_000).at(-1), 1_000)
  t.strictSame(delays(createBackoff({ initial: 100, max: 50 }), 2), [50, 50])
})

t.test('jitter lengthens the delay at random', async t => {
  for (const [random, delay] of [[0, 1_000], [0.5, 1_250], [0.999, 1_500]] as const) {
    t.intercept(Math, 'random', { value: () => random })
    t.strictSame(createBackoff({ initial: 1_000, jitter: 0.5 }).next(undefined), { delay, minimum: 0 })
  }
})

t.test('the reconnection time of the server replaces the initial delay', async t => {
  const backoff = createBackoff({ initial: 100, max: 1_000 })
  backoff.setReconnectionTime(300)
  backoff.reset()
  t.strictSame(backoff.next(undefined), { delay: 300, minimum: 300 })
  t.strictSame(delays(backoff, 2), [600, 1_000])
  backoff.setReconnectionTime(5_000)
  backoff.reset()
  t.strictSame(backoff.next(undefined), { delay: 5_000, minimum: 5_000 }, 'even above the maximum')
  backoff.setReconnectionTime(0)
  backoff.reset()
  t.strictSame(delays(backoff, 3), [0, 200, 400], 'only the first reconnect is immediate')
})

t.test('a reconnection time that no event or comment follows is for one reconnect', async t => {
  const backoff = createBackoff({ initial: 100, max: 1_000 })
  backoff.setReconnectionTime(4_000)
  t.strictSame(delays(backoff, 2), [4_000, 200])
  backoff.setReconnectionTime(300)
  backoff.reset()
  backoff.setReconnectionTime(4_000)
  t.strictSame(delays(backoff, 2), [4_000, 600])
})

t.test('Retry-After is the minimum of the next delay', async t => {
  t.strictSame(createBackoff({ initial: 100 }).next(7_000), { delay: 7_000, minimum: 7_000 })
  t.strictSame(createBackoff({ initial: 100 }).next(0), { delay: 100, minimum: 0 })
  t.intercept(Math, 'random', { value: () => 0.5 })
  t.strictSame(createBackoff({ jitter: 1 }).next(10_000), { delay: 15_000, minimum: 10_000 })
})

t.test('no delay is longer than a timer supports', async t => {
  const backoff = createBackoff()
  t.strictSame(backoff.next(1e15), { delay: MAX_DELAY, minimum: MAX_DELAY })
  backoff.setReconnectionTime(Infinity)
  t.strictSame(backoff.next(undefined), { delay: MAX_DELAY, minimum: MAX_DELAY })
})

t.test('there is no delay after the last attempt', async t => {
  const backoff = createBackoff({ attempts: 2 })
  backoff.next(undefined)
  backoff.reset()
  t.ok(backoff.next(undefined))
  t.ok(backoff.next(undefined))
  t.equal(backoff.next(undefined), undefined)
  t.equal(createBackoff({ attempts: 0 }).next(undefined), undefined)
})
