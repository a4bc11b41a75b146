import t from 'tap'
import type { Subscriber } from '../../plugin/channels/subscriber.ts'
import { heartbeatOf } from '../../plugin/stream/heartbeat.ts'
import { STREAM_DEFAULTS, type StreamOptions, type StreamSettings } from '../../plugin/stream/options.ts'
import { SharedText } from '../../plugin/wire/shared-text.ts'

/** A subscriber whose position has advanced to an id. */
const subscriber = (id: string | undefined, sendsMarkers = true): Subscriber => ({ takeUnsentPosition: () => id, sendsMarkers }) as unknown as Subscriber

function heartbeat (options: StreamOptions, advanced?: Subscriber): string {
  const encoded = heartbeatOf({ ...STREAM_DEFAULTS, ...options } as StreamSettings, advanced)
  return encoded instanceof SharedText ? encoded.text : encoded
}

t.test('a heartbeat is a comment that all streams share', async t => {
  t.equal(heartbeat({}), ':\n')
  t.equal(heartbeatOf(STREAM_DEFAULTS, undefined), heartbeatOf(STREAM_DEFAULTS, subscriber(undefined)))
})

t.test('a heartbeat is an event if heartbeatEvent names one', async t => {
  t.equal(heartbeat({ heartbeatEvent: 'ping' }), 'event:ping\ndata:\n\n')
  t.equal(heartbeat({ heartbeatEvent: 'ping', spaceAfterColon: true }), 'event: ping\ndata: \n\n')
})

t.test('a heartbeat carries the id of a subscriber that has advanced', async t => {
  t.equal(heartbeat({}, subscriber('e.5-0')), 'id:e.5-0\nevent:sse-heartbeat\ndata:\n\n')
  t.equal(heartbeat({ heartbeatEvent: 'ping' }, subscriber('e.5-0')), 'id:e.5-0\nevent:ping\ndata:\n\n')
  t.equal(heartbeat({}, subscriber('e.5-0', false)), 'id:e.5-0\n\n', 'without markers, it is a bare id')
})
