import { Connection } from './connection.ts'
import { messageOf, SseClientError } from './errors.ts'
import { resolveConnectOptions, type ConnectOptions, type ConnectSettings, type SseConnectOptions, type SseParsingOptions, type SseValidatingOptions } from './options.ts'
import type { SseConnection, SseMessageOf, SseTextOf } from './sse-connection.ts'
import type { SseEventSchemas, SseOutputs } from './standard-schema.ts'

/**
 * Connects to an event stream with `fetch`, in browsers, workers and Node.js. Whenever the stream breaks or ends, the
 * client reconnects and resumes after the last event ID, until the connection is closed.
 *
 * It reconnects after a network error, a status of 408, 425, 429 or 5xx, a timeout, an error that the server reports in
 * the stream, and the end of the stream. Any other status, and a response that is not an event stream, closes the
 * connection with an error; status 204 closes it without one. A request that may be sent only once is never repeated.
 *
 * The data of an event is text. With `schemas`, that of the events they name is parsed as JSON and validated, and has the type
 * that its schema returns.
 *
 * @param url may be relative in a page
 * @throws SSE_CLIENT_ERR_OPTION if an option is invalid, or the request as a whole
 */
export function connect<const Schemas extends SseEventSchemas> (url: string | URL, options: SseValidatingOptions<Schemas>): SseConnection<SseMessageOf<SseOutputs<Schemas>>>
/** @typeParam Events maps each event type to the type of its data, which the option `parse` must return */
export function connect<Events = any> (url: string | URL, options: SseParsingOptions<SseMessageOf<Events>>): SseConnection<SseMessageOf<Events>>
/** @typeParam Events its keys are the types of events. Without `parse`, their data is text */
export function connect<Events = any> (url: string | URL, options?: SseConnectOptions<SseMessageOf<SseTextOf<Events>>>): SseConnection<SseMessageOf<SseTextOf<Events>>>
export function connect (url: string | URL, options: ConnectOptions = {}): SseConnection<any> {
  const settings = resolveConnectOptions(options)
  return new Connection(resolveUrl(url, settings), settings)
}

/** Returns the absolute URL, and has the platform check the request as a whole. */
function resolveUrl (url: string | URL, { method, headers, body, credentials }: ConnectSettings): string {
  try {
    return new Request(url, { method, credentials, ...typeof headers === 'object' && { headers }, ...body !== undefined && { body } }).url
  } catch (error) {
    throw new SseClientError('SSE_CLIENT_ERR_OPTION', `Invalid request: ${messageOf(error)}`, { cause: error })
  }
}

export { SseClientError, type SseClientErrorCode } from './errors.ts'
export type {
  SseBody, SseConnectionState, SseConnectOptions, SseHeaders, SseParsingOptions, SseRetryInfo, SseRetryOptions, SseValidatingOptions
} from './options.ts'
export type { SseGap } from './server-events.ts'
export type { SseConnection, SseMessage, SseMessageOf, SseTextOf } from './sse-connection.ts'
export type { SseEventSchemas, SseIssue, SseOutputs, SseStandardSchema } from './standard-schema.ts'
