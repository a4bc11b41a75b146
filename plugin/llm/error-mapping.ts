import { isInstance } from '../base/failure.ts'
import { readErrorReport, reportsError, type ErrorReport } from './error-report.ts'
import { ModelError, type ModelErrorCode } from './model-error.ts'
import { headerValue, retryAfter, type ResponseHeaders } from './response-headers.ts'
import { UpstreamMessage } from './upstream-message.ts'

/** Wordings that mean the budget is spent, so that retrying does not help. */
const QUOTA_EXHAUSTED = new RegExp([
  'insufficient[_ ]?(?:account[_ ]?)?(?:quota|balance|credit|fund)', 'exceeded_current_quota', 'credits?[_ ]balance',
  '(?:used all|out of|exhausted|not enough)[a-z ]{0,30}credits', 'billing_', 'spend(?:ing)?[_ -]?(?:limit|cap)', 'over budget',
  'budget[_ ](?:has been )?exceeded', 'exceeded[_ ]?budget', 'reached your specified api usage limits', 'api calls ?/ ?month',
  'arrearage', 'overdue', 'unpaid invoice', 'free ?tier ?only', '余额不足', '欠费'
].join('|'))

/** Wordings of a temporary limit. Anthropic itself sends Retry-After with one; proxies may not. */
const TEMPORARY_LIMIT = /per.?(?:second|minute|hour)|(?:try|retry|retrying)\b.{0,20}\b(?:again|in|after|later)|throttl|too.?many.?requests|concurren/

/** OpenAI's wording for a spent budget. Gemini also uses it for limits per minute. */
const CURRENT_QUOTA = /exceeded your current quota/
const TEMPORARY_QUOTA = /resource_exhausted|ai\.google|retry in|per ?(?:minute|day)|rate.?limit/

const PROMPT_TOO_LONG = new RegExp([
  'context_length_exceeded', 'exceed_context_size', 'context (?:length|limit|window|size)', 'request_too_large', 'max_prompt_tokens_exceeded',
  'prompt (?:\\(.{0,40}\\) )?is too long', 'prompt too long', 'prompt 超长', 'prompt exceeds', 'maximum prompt length', 'prompt token count.{0,40}exceeds',
  'input is too (?:long|large)', 'input length.{0,60}exceeds', 'input token count', 'too many input tokens', 'longer than the maximum model length',
  'tokens in the prompt cannot exceed', 'too many tokens: ', 'exceeded model token limit', 'reduce the length of the (?:messages|prompt|input)',
  'range of input length should be', '`inputs` (?:tokens|must have less than)', 'expected maxlength', "invalid '(?:input|instructions|messages).{0,40}string too long"
].join('|'))

/** HTTP statuses equivalent to codes and types, for an error without an exact status of its own. */
const STATUS_OF_CODE: ReadonlyArray<[pattern: RegExp, status: number]> = [
  [/api.?key|unauthori|unauthenticated|authentication/, 401],
  [/forbidden|permission|access.?denied/, 403],
  [/rate.?limit|too.?many|throttl|exhausted|quota/, 429],
  [/overloaded|unavailable|capacity|not.?ready|slow.?down|busy/, 503],
  [/not.?found|decommissioned/, 404],
  [/(?:request|payload|entity).?too.?large/, 413]
]

/** The same for messages, where words are less certain. */
const STATUS_OF_MESSAGE: ReadonlyArray<[pattern: RegExp, status: number]> = [
  [/(?:incorrect|invalid|missing|expired).{0,20}(?:api.?key|credentials)|api.?key (?:not valid|is invalid|expired)|unauthori[sz]ed|not authenticated|authentication (?:failed|error)/, 401],
  [/^forbidden|access denied|permission denied/m, 403],
  [/rate.?limit|too many requests|throttl|resource.?(?:has been )?exhausted|quota exceeded|please wait before trying again|(?:tokens|requests) per (?:min|day)/, 429],
  [/overloaded|(?:at|over|out of) capacity|capacity exceeded|server is busy|currently (?:loading|unavailable)|(?:service|temporarily).?unavailable|no healthy upstream/, 503],
  [/model\b.{0,100}(?:not found|(?:does not|doesn't|not) exist)/, 404]
]

/** Codes of errors for which the request is the cause. */
const INVALID_REQUEST = /^(?:invalid|unsupported|empty|missing)|^image_(?!generation)|bad.?request|validation|unprocessable|content.?(?:filter|policy)|inspection.?failed|context_length_exceeded/m

/**
 * Maps a response with a status of 400 or above.
 *
 * @param body the beginning of the response body
 * @param limitsSpending whether a 429 without Retry-After means that a spending limit was reached
 */
export function errorFromResponse (status: number, headers: ResponseHeaders, body: string, limitsSpending: boolean): ModelError {
  // The text of an HTML page is not about this request.
  const report = readErrorReport(/^\s*</.test(body) ? '' : jsonOrText(body))
  const delay = retryAfter(headers) ?? report.retryDelay
  let code = errorCode(report, status)
  if (status === 429 && limitsSpending && delay === undefined && !TEMPORARY_LIMIT.test(report.text)) code = 'upstream_quota'
  const shouldRetry = headerValue(headers, 'x-should-retry')
  return new ModelError(code, {
    upstreamStatus: status,
    retryAfter: delay,
    cause: causeOf(report),
    retryable: shouldRetry === 'false' ? false : shouldRetry === 'true' && code !== 'upstream_quota' ? true : undefined
  })
}

/**
 * Throws the failure that JSON reports instead of a part of an answer: an event, a line, or the body of a response with the
 * status 200. Returns if it reports none.
 *
 * @param value of any shape
 * @throws ModelError
 */
export function throwReportedError (value: unknown): void {
  if (reportsError(value)) throw errorFromAnswer(value)
}

/** Maps an error that the model reports within its answer. @param error text or JSON of any shape, as the model sent it */
export function errorFromAnswer (error: unknown): ModelError {
  const report = readErrorReport(error)
  const code = errorCode(report)
  return new ModelError(code === 'upstream_error' ? 'upstream_failed' : code, { retryAfter: report.retryDelay, cause: causeOf(report) })
}

function causeOf ({ message }: ErrorReport): UpstreamMessage | undefined {
  return message === undefined ? undefined : new UpstreamMessage(message)
}

/** Maps an error of undici from before the request could be sent. */
export function errorFromConnect (error: Error): ModelError {
  const reason = systemErrorCode(error)
  return new ModelError(reason === 'UND_ERR_CONNECT_TIMEOUT' ? 'upstream_connect_timeout' : 'upstream_unreachable', { reason, cause: error })
}

/** Codes of errors of a connection that was established, or may have been: one that was kept open from an earlier request. */
const DISCONNECTED = /^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET|HPE_\w+)$/

/** Codes of errors of the caller: invalid arguments, and a request that it has aborted. */
const CALLER_ERROR = /^(?:ERR_INVALID_\w+|UND_ERR_INVALID_ARG|UND_ERR_ABORTED|UND_ERR_DESTROYED|UND_ERR_CLOSED|ABORT_ERR)$/

/** Maps the error of a request without a response, of `fetch` or undici. @returns the error itself if it is not one of the connection */
export function errorFromRequest (error: unknown): unknown {
  // `fetch` wraps errors of the connection.
  const { cause = error } = Object(error) as { cause?: unknown }
  if (!isInstance(cause, Error)) return error
  const reason = systemErrorCode(cause)
  if (reason === undefined || CALLER_ERROR.test(reason)) return error
  if (reason === 'UND_ERR_HEADERS_TIMEOUT') return new ModelError('first_byte_timeout', { cause })
  return DISCONNECTED.test(reason) ? errorFromDisconnect(cause) : errorFromConnect(cause)
}

/** Maps an error of undici from after the request was sent. */
export function errorFromDisconnect (error: Error): ModelError {
  return new ModelError('upstream_cut', { reason: systemErrorCode(error), cause: error })
}

/** Parses data that should be JSON, but may be anything. */
export function jsonOrText (data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return data
  }
}

function errorCode (report: ErrorReport, responseStatus?: number): ModelErrorCode {
  const { text } = report
  const status = exactStatus(report, responseStatus)
  if (status === 402 || QUOTA_EXHAUSTED.test(text) || (CURRENT_QUOTA.test(text) && !TEMPORARY_QUOTA.test(text))) return 'upstream_quota'
  if (status === 401 || status === 403) return 'upstream_auth'
  if (status === 413 || (status !== 429 && PROMPT_TOO_LONG.test(text))) return 'prompt_too_long'
  if (status === 429) return 'upstream_rate_limit'
  if (status === 503 || status === 529) return 'upstream_overloaded'
  if (status === 404 || status === 405) return 'upstream_not_found'
  if (status >= 500 || status === 408 || status === 409) return 'upstream_error'
  return 'upstream_rejected'
}

/** Proxies and streams often state 400 or 500 for an error that the report describes better. */
function exactStatus ({ statuses, codes, text }: ErrorReport, responseStatus?: number): number {
  const stated = [responseStatus ?? 0, ...statuses].filter(status => status >= 400 && status <= 599)
  return stated.find(isExact) ??
    STATUS_OF_CODE.find(([pattern]) => pattern.test(codes))?.[1] ??
    STATUS_OF_MESSAGE.find(([pattern]) => pattern.test(text))?.[1] ??
    stated[0] ?? (INVALID_REQUEST.test(codes) ? 400 : 500)
}

function isExact (status: number): boolean {
  return status === 503 || status === 529 || (status > 400 && status < 500)
}

/** The code of a system error. Unlike the message, it contains no address. */
function systemErrorCode (error: Error): string | undefined {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(code) ? code : undefined
}
