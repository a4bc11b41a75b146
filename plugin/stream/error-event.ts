import type { SseFailure } from '../base/failure.ts'
import { encode } from '../wire/event.ts'

/** The failure that a client receives when its stream reaches `expiresAt`. */
export const EXPIRED: SseFailure = { code: 'EXPIRED', message: 'The event stream has expired', retryable: false }

/** Encodes the last event of a stream that ends because of an error. @param spaceAfterColon whether a space follows each colon */
export function encodeError ({ code, message, retryable }: SseFailure, spaceAfterColon: boolean): string {
  return encode(JSON.stringify({ code, message, retryable }), { event: 'sse-error' }, spaceAfterColon)
}
