import type { SseReason } from '../base/errors.ts'
import type { SseFailure } from '../base/failure.ts'
import { encode } from '../wire/event.ts'

/** What a client receives when the server ends its stream. It may reconnect, with a new token if it has one. */
export const ENDINGS = {
  expired: { code: 'EXPIRED', message: 'The event stream has expired', retryable: true },
  kicked: { code: 'KICKED', message: 'The server has closed the event stream', retryable: true }
} as const satisfies Partial<Record<SseReason, SseFailure>>

/** Encodes the last event of a stream that ends because of an error. @param spaceAfterColon whether a space follows each colon */
export function encodeError ({ code, message, retryable, retryAfter }: SseFailure, spaceAfterColon: boolean): string {
  return encode(JSON.stringify({ code, message, retryable, retryAfter }), { event: 'sse-error' }, spaceAfterColon)
}
