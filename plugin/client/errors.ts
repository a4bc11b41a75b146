import type { SseIssue } from './standard-schema.ts'

/**
 * Error codes:
 * - `SSE_CLIENT_ERR_OPTION`: an option is invalid; thrown by `connect`
 * - `SSE_CLIENT_ERR_HEADERS`: the option `headers` threw, rejected or returned invalid headers; nothing was sent
 * - `SSE_CLIENT_ERR_IDEMPOTENCY_KEY`: the request was not repeated because its `Idempotency-Key` changed
 * - `SSE_CLIENT_ERR_NETWORK`: `fetch` failed, or the connection broke; see `cause`
 * - `SSE_CLIENT_ERR_STATUS`: the response has an error status; see `status` and `body`
 * - `SSE_CLIENT_ERR_CONTENT_TYPE`: the response is not an event stream; see `status` and `body`
 * - `SSE_CLIENT_ERR_SERVER`: the server ended the stream with an `sse-error` event; see `serverCode`
 * - `SSE_CLIENT_ERR_ENDED`: the server ended the stream
 * - `SSE_CLIENT_ERR_TIMEOUT`: no data was received for `heartbeatTimeout`
 * - `SSE_CLIENT_ERR_TOO_LARGE`: an event exceeds `maxEventLength`
 * - `SSE_CLIENT_ERR_DATA`: the data of an event cannot be parsed, or is not what its schema allows; see `issues` or `cause`
 * - `SSE_CLIENT_ERR_ITERATED`: the connection is iterated a second time, or although it has the option `onEvent`
 */
export type SseClientErrorCode =
  | 'SSE_CLIENT_ERR_OPTION' | 'SSE_CLIENT_ERR_HEADERS' | 'SSE_CLIENT_ERR_IDEMPOTENCY_KEY' | 'SSE_CLIENT_ERR_NETWORK'
  | 'SSE_CLIENT_ERR_STATUS' | 'SSE_CLIENT_ERR_CONTENT_TYPE' | 'SSE_CLIENT_ERR_SERVER' | 'SSE_CLIENT_ERR_ENDED'
  | 'SSE_CLIENT_ERR_TIMEOUT' | 'SSE_CLIENT_ERR_TOO_LARGE' | 'SSE_CLIENT_ERR_DATA' | 'SSE_CLIENT_ERR_ITERATED'

export interface SseClientErrorDetails {
  readonly cause?: unknown
  readonly status?: number | undefined
  readonly body?: string | undefined
  readonly retryAfter?: number | undefined
  readonly serverCode?: string | undefined
  readonly issues?: readonly SseIssue[] | undefined
}

/** Every error of the client is an instance of this class. */
export class SseClientError extends Error {
  readonly code: SseClientErrorCode
  /** The status of a response that is not an event stream. */
  readonly status: number | undefined
  /** The beginning of the body of that response; at most 16,384 characters. */
  readonly body: string | undefined
  /** The delay that the response requests with `Retry-After`, in milliseconds. */
  readonly retryAfter: number | undefined
  /** The code of the server's `sse-error` event. */
  readonly serverCode: string | undefined
  /** Why the schema of an event rejects its data. */
  readonly issues: readonly SseIssue[] | undefined

  constructor (code: SseClientErrorCode, message: string, { cause, status, body, retryAfter, serverCode, issues }: SseClientErrorDetails = {}) {
    super(message, cause === undefined ? {} : { cause })
    this.name = 'SseClientError'
    this.code = code
    this.status = status
    this.body = body
    this.retryAfter = retryAfter
    this.serverCode = serverCode
    this.issues = issues
  }
}

const TRANSIENT_CODES = new Set<SseClientErrorCode>([
  'SSE_CLIENT_ERR_HEADERS', 'SSE_CLIENT_ERR_NETWORK', 'SSE_CLIENT_ERR_SERVER', 'SSE_CLIENT_ERR_ENDED', 'SSE_CLIENT_ERR_TIMEOUT'
])
/** Request Timeout, Too Early, Too Many Requests; every 5xx is transient, too. */
const TRANSIENT_STATUSES = new Set([408, 425, 429])

/** Whether a later request may succeed. */
export function isTransient ({ code, status }: SseClientError): boolean {
  return TRANSIENT_CODES.has(code) || (code === 'SSE_CLIENT_ERR_STATUS' && (status! >= 500 || TRANSIENT_STATUSES.has(status!)))
}

/** The message of anything that was thrown. */
export function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
