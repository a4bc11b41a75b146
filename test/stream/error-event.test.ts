import t from 'tap'
import { encodeError, ENDINGS } from '../../plugin/stream/error-event.ts'
import { decode } from '../fixtures/client.ts'

t.test('a failure is an event with its code, its message and whether a retry may help', async t => {
  const failure = { code: 'BUSY', message: 'Two\nlines', retryable: true }
  for (const space of [false, true]) {
    const [event] = decode(encodeError({ ...failure, internal: 'secret' } as typeof failure, space)).events
    t.equal(event!.event, 'sse-error')
    t.strictSame(JSON.parse(event!.data), failure)
    t.strictSame(JSON.parse(decode(encodeError({ ...failure, retryAfter: 7_000 }, space)).events[0]!.data), { ...failure, retryAfter: 7_000 })
  }
  t.equal(encodeError(ENDINGS.expired, false), 'event:sse-error\ndata:{"code":"EXPIRED","message":"The event stream has expired","retryable":true}\n\n')
})
