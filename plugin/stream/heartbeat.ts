import type { Subscriber } from '../channels/subscriber.ts'
import { encode, HEARTBEAT } from '../wire/event.ts'
import { SharedText } from '../wire/shared-text.ts'
import type { StreamSettings } from './options.ts'

/** Encoded once, because with many streams heartbeats are most of what is written. */
export const COMMENT = new SharedText(HEARTBEAT)

/** The default event type of a heartbeat that repeats the current id. */
const POSITION_EVENT = 'sse-heartbeat'

/**
 * Encodes the next heartbeat of a stream: a comment, or an event if the option `heartbeatEvent` names one. When a
 * subscriber's position has advanced without an event, the heartbeat carries the new id, so that the client can
 * resume from there after older history is gone.
 */
export function heartbeatOf ({ heartbeatEvent, spaceAfterColon }: StreamSettings, subscriber: Subscriber | undefined): string | SharedText {
  const id = subscriber?.takeUnsentPosition()
  if (heartbeatEvent !== undefined) return encode('', { event: heartbeatEvent, id }, spaceAfterColon)
  if (id === undefined) return COMMENT
  return subscriber!.sendsMarkers ? encode('', { event: POSITION_EVENT, id }, spaceAfterColon) : encode(undefined, { id }, spaceAfterColon)
}
