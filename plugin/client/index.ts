import { Connection } from './connection.ts'
import { messageOf, SseClientError } from './errors.ts'
import { resolveOptions, type SseConnectOptions } from './options.ts'
import type { SseConnection } from './sse-connection.ts'

/**
 * Connects to an event stream, by `fetch`, and comes back whenever it breaks or ends, after the last id, until it is
 * closed. In browsers, workers and Node.js.
 *
 * It waits before it comes back: after an error of the network, a status of 408, 425, 429 or from 500 on, silence, an
 * error of the server's or a mere end. Any other status and anything that is no event stream closes it, and so does
 * the status 204, without an error. A request that may not be sent twice never is.
 *
 * @param url in a page it may be relative
 * @throws SSE_ERR_OPTION for an option with a value it cannot have, and for what is no request
 */
export function connect (url: string | URL, options: SseConnectOptions = {}): SseConnection {
  const settings = resolveOptions(options)
  return new Connection(addressOf(url, settings), settings)
}

/** The absolute address. Has the platform check the request as a whole. */
function addressOf (url: string | URL, settings: ReturnType<typeof resolveOptions>): string {
  const { method, headers, body, credentials } = settings
  try {
    return new Request(url, { method, credentials, ...typeof headers === 'object' && { headers }, ...body !== undefined && { body } }).url
  } catch (error) {
    throw new SseClientError('SSE_ERR_OPTION', `There is no such request: ${messageOf(error)}`, { cause: error })
  }
}

export { SseClientError, type SseClientErrorCode } from './errors.ts'
export type { SseGap } from './markers.ts'
export type { SseBody, SseConnectionState, SseConnectOptions, SseHeaders, SseOutlook, SseRetryOptions } from './options.ts'
export type { SseConnection, SseMessage } from './sse-connection.ts'
