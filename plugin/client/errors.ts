/**
 * What kind of error it is:
 * - `SSE_ERR_OPTION`: an option has a value it cannot have; thrown by `connect`
 * - `SSE_ERR_HEADERS`: the option `headers` gave none, or what are no headers; nothing was sent
 * - `SSE_ERR_IDEMPOTENCY_KEY`: the request would have been sent again with another `Idempotency-Key`; it was not
 * - `SSE_ERR_NETWORK`: there was no answer, or it broke off; `cause` is what `fetch` says
 * - `SSE_ERR_STATUS`: the answer has a status that is none of a stream; see `status` and `body`
 * - `SSE_ERR_CONTENT_TYPE`: the answer is no event stream; see `status` and `body`
 * - `SSE_ERR_SERVER`: the server ended the stream with an error of its own, `sse-error`; see `serverCode`
 * - `SSE_ERR_ENDED`: the stream has ended, and nobody had closed it
 * - `SSE_ERR_SILENT`: nothing came for `heartbeatTimeout`
 * - `SSE_ERR_TOO_LARGE`: an event is larger than `maxEventLength`
 * - `SSE_ERR_TAKEN`: events were to be iterated over that go elsewhere
 */
export type SseClientErrorCode =
  | 'SSE_ERR_OPTION' | 'SSE_ERR_HEADERS' | 'SSE_ERR_IDEMPOTENCY_KEY' | 'SSE_ERR_NETWORK' | 'SSE_ERR_STATUS' | 'SSE_ERR_CONTENT_TYPE'
  | 'SSE_ERR_SERVER' | 'SSE_ERR_ENDED' | 'SSE_ERR_SILENT' | 'SSE_ERR_TOO_LARGE' | 'SSE_ERR_TAKEN'

/** What is known beside the code. */
export interface SseClientErrorDetails {
  readonly cause?: unknown
  readonly status?: number | undefined
  readonly body?: string | undefined
  readonly retryAfter?: number | undefined
  readonly serverCode?: string | undefined
}

/** Every error of the client. */
export class SseClientError extends Error {
  readonly code: SseClientErrorCode
  /** The status of the answer, where there was one that is no stream. */
  readonly status: number | undefined
  /** The beginning of that answer, as text; at most 16,384 characters. */
  readonly body: string | undefined
  /** Milliseconds for which that answer asks the client to stay away, by `Retry-After`. */
  readonly retryAfter: number | undefined
  /** The code that an `sse-error` of the server had. */
  readonly serverCode: string | undefined

  constructor (code: SseClientErrorCode, message: string, { cause, status, body, retryAfter, serverCode }: SseClientErrorDetails = {}) {
    super(message, cause === undefined ? {} : { cause })
    this.name = 'SseClientError'
    this.code = code
    this.status = status
    this.body = body
    this.retryAfter = retryAfter
    this.serverCode = serverCode
  }
}

const PASSING = new Set<SseClientErrorCode>(['SSE_ERR_HEADERS', 'SSE_ERR_NETWORK', 'SSE_ERR_SERVER', 'SSE_ERR_ENDED', 'SSE_ERR_SILENT'])
/** Beside those from 500 on: Request Timeout, Too Early, Too Many Requests. */
const PASSING_STATUSES = new Set([408, 425, 429])

/** Whether it may go away by itself, so that asking again makes sense. */
export function isPassing ({ code, status }: SseClientError): boolean {
  return PASSING.has(code) || (code === 'SSE_ERR_STATUS' && (status! >= 500 || PASSING_STATUSES.has(status!)))
}

export function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
