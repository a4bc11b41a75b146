import t from 'tap'
import { LONGEST, resolveOptions, type SseRetryOptions } from '../../plugin/client/options.ts'
import { Retry, retryAfter } from '../../plugin/client/retry.ts'

const make = (retry: SseRetryOptions = {}): Retry => new Retry(resolveOptions({ retry: { jitter: 0, ...retry } }).retry)

/** The pauses after so many failures in a row. */
const pauses = (retry: Retry, count: number): number[] => Array.from({ length: count }, () => retry.next(undefined)!.delay)

t.test('a pause doubles with each failure, up to a limit, until something comes', async t => {
  const retry = make({ initial: 100, max: 1_000 })
  t.strictSame(pauses(retry, 5), [100, 200, 400, 800, 1_000])
  retry.succeed()
  t.strictSame(pauses(retry, 2), [100, 200])
  t.equal(pauses(retry, 2_000).at(-1), 1_000)
  t.strictSame(pauses(make({ initial: 100, max: 50 }), 2), [50, 50])
})

t.test('a pause is prolonged at random', async t => {
  for (const [random, delay] of [[0, 1_000], [0.5, 1_250], [0.999, 1_500]] as const) {
    t.intercept(Math, 'random', { value: () => random })
    t.strictSame(make({ initial: 1_000, jitter: 0.5 }).next(undefined), { delay, asked: 0 })
  }
})

t.test('the server\'s retry takes the place of the first pause', async t => {
  const retry = make({ initial: 100, max: 1_000 })
  retry.tell(300)
  t.strictSame(retry.next(undefined), { delay: 300, asked: 300 })
  t.strictSame(pauses(retry, 2), [600, 1_000])
  retry.tell(5_000)
  t.strictSame(retry.next(undefined), { delay: 5_000, asked: 5_000 }, 'also where it is longer than the longest')
  retry.succeed()
  retry.tell(0)
  t.strictSame(pauses(retry, 3), [0, 200, 400], 'at once, but not again and again')
})

t.test('Retry-After is kept, and a little more', async t => {
  t.strictSame(make({ initial: 100 }).next(7_000), { delay: 7_000, asked: 7_000 })
  t.strictSame(make({ initial: 100 }).next(0), { delay: 100, asked: 0 })
  t.intercept(Math, 'random', { value: () => 0.5 })
  t.strictSame(make({ jitter: 1 }).next(10_000), { delay: 15_000, asked: 10_000 })
})

t.test('no pause is longer than a timer can be', async t => {
  const retry = make()
  t.strictSame(retry.next(1e15), { delay: LONGEST, asked: LONGEST })
  retry.tell(Infinity)
  t.strictSame(retry.next(undefined), { delay: LONGEST, asked: LONGEST })
})

t.test('there are no more attempts than are allowed', async t => {
  const retry = make({ attempts: 2 })
  retry.next(undefined)
  retry.succeed()
  t.ok(retry.next(undefined))
  t.ok(retry.next(undefined))
  t.equal(retry.next(undefined), undefined)
  t.equal(make({ attempts: 0 }).next(undefined), undefined)
})

t.test('Retry-After is read', async t => {
  const noon = Date.UTC(2026, 0, 1, 12)
  t.intercept(Date, 'now', { value: () => noon })
  const rows: Array<[headers: Record<string, string>, ms: number | undefined]> = [
    [{}, undefined],
    [{ 'retry-after': '120' }, 120_000],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': 'Thu, 01 Jan 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Thu, 01 Jan 2026 11:00:00 GMT' }, 0],
    [{ 'retry-after': 'Thu, 01 Jan 2026 15:00:30 GMT', date: 'Thu, 01 Jan 2026 15:00:00 GMT' }, 30_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-1.5x' }, undefined]
  ]
  for (const [headers, ms] of rows) t.equal(retryAfter(new Headers(headers)), ms, JSON.stringify(headers))
})
