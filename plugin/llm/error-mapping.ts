import { ModelError, type ModelErrorCode } from './model-error.ts'
import { headerValue, retryAfter, type ResponseHeaders } from './response-headers.ts'

/** The HTTP status equivalent to an error type or code. Errors inside a stream carry no status of their own. */
const STATUS_BY_CODE = new Map<string | number, number>([
  ['authentication_error', 401],
  ['invalid_api_key', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['model_not_found', 404],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['rate_limit_exceeded', 429],
  ['overloaded_error', 529]
])

/** Error codes and types that blame the request. */
const INVALID_REQUEST = /^(?:invalid|unsupported|empty)_|^image_(?!generation)/
const QUOTA_EXHAUSTED = /insufficient_quota|credit_balance|credit balance|billing_|spend_limit/
const PROMPT_TOO_LONG = /context_length_exceeded|exceed_context_size|request_too_large|prompt is too long|context (?:length|limit|window|size)/

/**
 * Maps a response with a status of 400 or above.
 *
 * @param body the beginning of the response body
 * @param limitsSpending whether a 429 without Retry-After means that a spending limit was reached
 */
export function errorFromResponse (status: number, headers: ResponseHeaders, body: string, limitsSpending: boolean): ModelError {
  const delay = retryAfter(headers)
  let code = errorCode(status, errorText(parseError(body)))
  if (status === 429 && limitsSpending && delay === undefined) code = 'upstream_quota'
  const shouldRetry = headerValue(headers, 'x-should-retry')
  return new ModelError(code, {
    upstreamStatus: status,
    retryAfter: delay,
    retryable: shouldRetry === 'false' ? false : shouldRetry === 'true' && code !== 'upstream_quota' ? true : undefined
  })
}

/** Maps an error that the model reports within its answer. @param error a string or an object, as the model sent it */
export function errorFromAnswer (error: unknown): ModelError {
  const { code, type } = Object(error) as { code?: unknown, type?: unknown }
  const mapped = errorCode(equivalentStatus(code) ?? equivalentStatus(type) ?? 500, errorText(error))
  return new ModelError(mapped === 'upstream_error' ? 'upstream_failed' : mapped)
}

/** Maps an error of undici from before the request could be sent. */
export function errorFromConnect (error: Error): ModelError {
  const reason = systemErrorCode(error)
  return new ModelError(reason === 'UND_ERR_CONNECT_TIMEOUT' ? 'upstream_connect_timeout' : 'upstream_unreachable', { reason, cause: error })
}

/** Maps an error of undici from after the request was sent. */
export function errorFromDisconnect (error: Error): ModelError {
  return new ModelError('upstream_cut', { reason: systemErrorCode(error), cause: error })
}

/** Extracts the error from an event or a response body: the property `error` if there is one, otherwise all of the data. */
export function parseError (data: string): unknown {
  try {
    const value = JSON.parse(data)
    return value?.error ?? value
  } catch {
    return data
  }
}

function errorCode (status: number, text: string): ModelErrorCode {
  if (status === 401 || status === 403) return 'upstream_auth'
  if (status === 402 || QUOTA_EXHAUSTED.test(text)) return 'upstream_quota'
  if (status === 413 || (status !== 429 && PROMPT_TOO_LONG.test(text))) return 'prompt_too_long'
  if (status === 429) return 'upstream_rate_limit'
  if (status === 503 || status === 529) return 'upstream_overloaded'
  if (status === 404 || status === 405) return 'upstream_not_found'
  if (status >= 500 || status === 408 || status === 409) return 'upstream_error'
  return 'upstream_rejected'
}

function equivalentStatus (code: unknown): number | undefined {
  if (typeof code !== 'string' && typeof code !== 'number') return undefined
  // Some servers send the status as a string; others use numeric codes that are not HTTP statuses.
  if (/^[45]\d\d$/.test(`${code}`)) return Number(code)
  return STATUS_BY_CODE.get(code) ?? (INVALID_REQUEST.test(`${code}`) ? 400 : undefined)
}

/** The code, type and message of an error in lower case, to match patterns against. */
function errorText (error: unknown): string {
  if (typeof error === 'string') return error.toLowerCase()
  const { code, type, message } = Object(error) as Record<string, unknown>
  return [code, type, message].filter(field => typeof field === 'string').join('\n').toLowerCase()
}

/** The code of a system error. Unlike the message, it contains no address. */
function systemErrorCode (error: Error): string | undefined {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(code) ? code : undefined
}
