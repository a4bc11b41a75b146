import t from 'tap'
import { SSE_ERR_BROKER_CLOSED, SSE_ERR_IDEMPOTENCY_KEY, SSE_ERR_RUN_LOG_LOST } from '../../plugin/base/errors.ts'
import { retry } from '../../plugin/runs/retry.ts'
import { mockClock } from '../fixtures/clock.ts'
import { settle } from '../fixtures/runs.ts'

const UNAVAILABLE = new Error('unavailable')

t.test('what the broker rejects is repeated after 50 ms, and after twice as long each time, up to a second', async t => {
  const { advance } = mockClock(t)
  const start = performance.now()
  const times: number[] = []
  const reported: unknown[] = []
  const attempt = async (): Promise<string> => {
    times.push(performance.now() - start)
    if (times.length < 7) throw new Error('again')
    return 'result'
  }
  const result = retry(UNAVAILABLE, { attempt, isOver: () => false, report: error => reported.push(error) })
  for (let step = 0; step < 1_000; step++) {
    advance(10)
    await settle(1)
  }
  t.equal(await result, 'result')
  t.strictSame(times, [50, 150, 350, 750, 1_550, 2_550, 3_550])
  t.strictSame(reported, [UNAVAILABLE], 'reported once')
})

t.test('it rejects with the last error when no further attempt is wanted', async t => {
  const { advance } = mockClock(t)
  let attempts = 0
  const attempt = async (): Promise<never> => { throw new Error(`${++attempts}`) }
  await t.rejects(retry(UNAVAILABLE, { attempt, isOver: () => true, report: () => t.fail('reported') }), UNAVAILABLE)
  const afterAttempt = retry(UNAVAILABLE, { attempt, isOver: () => attempts === 1 })
  advance(50)
  await t.rejects(afterAttempt, { message: '1' })
  let isOver = false
  const whileWaiting = retry(UNAVAILABLE, { attempt, isOver: () => isOver })
  isOver = true
  advance(50)
  await t.rejects(whileWaiting, UNAVAILABLE)
  t.equal(attempts, 1)
})

t.test('an error that a further attempt would meet again is not retried', async t => {
  for (const error of [new SSE_ERR_BROKER_CLOSED(), new SSE_ERR_IDEMPOTENCY_KEY(), new SSE_ERR_RUN_LOG_LOST(), new TypeError('invalid')]) {
    await t.rejects(retry(error, { attempt: async () => t.fail('retried'), isOver: () => false, report: () => t.fail('reported') }), error)
  }
})
