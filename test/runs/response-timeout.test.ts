import t from 'tap'
import { Deferred } from '../../plugin/base/deferred.ts'
import { RESPONSE_TIMEOUT, withResponseTimeout } from '../../plugin/runs/response-timeout.ts'
import { liveTimers, mockClock } from '../fixtures/clock.ts'

t.test('what does not respond in time is unavailable', async t => {
  const { advance } = mockClock(t)
  const result = withResponseTimeout(new Promise(() => {}))
  const rejected = t.rejects(result, { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503, message: 'The broker is unavailable', detail: 'it did not respond within 5000 ms' })
  advance(RESPONSE_TIMEOUT)
  await rejected
})

t.test('a response that arrived while the process was busy is passed on', async t => {
  const { advance } = mockClock(t)
  const response = new Deferred<string>()
  const result = withResponseTimeout(response.promise)
  advance(RESPONSE_TIMEOUT)
  response.resolve('result')
  t.equal(await result, 'result')
})

t.test('a response is passed on, and leaves no timer behind', async t => {
  const timers = liveTimers(t)
  t.equal(await withResponseTimeout(Promise.resolve('result')), 'result')
  await t.rejects(withResponseTimeout(Promise.reject(new Error('refused'))), { message: 'refused' })
  t.equal(timers.size, 0)
})
