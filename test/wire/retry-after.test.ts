import t from 'tap'
import { parseRetryAfter } from '../../plugin/wire/retry-after.ts'

t.test('seconds and dates are converted to milliseconds, and anything else is ignored', async t => {
  const noon = Date.UTC(2026, 0, 1, 12)
  t.intercept(Date, 'now', { value: () => noon })
  const rows: Array<[value: string | null | undefined, date: string | null | undefined, ms: number | undefined]> = [
    [null, null, undefined],
    [undefined, undefined, undefined],
    ['120', null, 120_000],
    ['0', undefined, 0],
    ['1.5', null, 1_500],
    ['Thu, 01 Jan 2026 12:00:30 GMT', null, 30_000],
    ['Thu, 01 Jan 2026 12:00:30 GMT', 'malformed', 30_000],
    ['Thu, 01 Jan 2026 11:00:00 GMT', undefined, 0],
    ['Thu, 01 Jan 2026 15:00:30 GMT', 'Thu, 01 Jan 2026 15:00:00 GMT', 30_000],
    ['', null, undefined],
    ['soon', null, undefined],
    ['in 5 minutes', null, undefined],
    ['-1', null, undefined],
    ['Infinity', null, undefined],
    ['Wed, GMT', null, undefined],
    ['9'.repeat(400), null, undefined]
  ]
  for (const [value, date, ms] of rows) t.equal(parseRetryAfter(value, date), ms, `${value}, ${date}`)
})
