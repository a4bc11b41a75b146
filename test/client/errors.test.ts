import t from 'tap'
import { isTransient, messageOf, SseClientError } from '../../plugin/client/errors.ts'

t.test('an error has its details as properties', async t => {
  const cause = new Error('why')
  const error = new SseClientError('SSE_CLIENT_ERR_STATUS', 'what', { cause, status: 503, body: 'busy', retryAfter: 5_000 })
  t.match(error, { name: 'SseClientError', code: 'SSE_CLIENT_ERR_STATUS', message: 'what', cause, status: 503, body: 'busy', retryAfter: 5_000, serverCode: undefined, issues: undefined })
  t.ok(error instanceof Error)
  t.notOk('cause' in new SseClientError('SSE_CLIENT_ERR_ENDED', 'ended'))
})

t.test('errors that a later request may fix are transient', async t => {
  const byStatus = (status: number): boolean => isTransient(new SseClientError('SSE_CLIENT_ERR_STATUS', '', { status }))
  t.strictSame([400, 401, 403, 404, 408, 409, 410, 422, 425, 429, 300, 500, 502, 503, 504, 529].filter(byStatus), [408, 425, 429, 500, 502, 503, 504, 529])
  t.notOk(isTransient(new SseClientError('SSE_CLIENT_ERR_CONTENT_TYPE', '', { status: 503 })))
  t.ok(isTransient(new SseClientError('SSE_CLIENT_ERR_ENDED', '')))
})

t.test('anything that is thrown has a message', async t => {
  t.equal(messageOf(new Error('a')), 'a')
  t.equal(messageOf('b'), 'b')
})
