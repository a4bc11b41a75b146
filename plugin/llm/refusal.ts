import { ModelError, type ModelErrorCode } from './errors.ts'
import { header, retryAfterOf, type Headers } from './headers.ts'

/** The status that the type or code of an error stands for, which comes in a stream without one. */
const STATUSES = new Map<string | number, number>([
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

/** Codes and types that say what is wrong with a request. */
const REJECTED = /^(?:invalid|unsupported|empty)_|^image_(?!generation)/
const QUOTA = /insufficient_quota|credit_balance|credit balance|billing_|spend_limit/
const TOO_LONG = /context_length_exceeded|exceed_context_size|request_too_large|prompt is too long|context (?:length|limit|window|size)/

/** What a response with a status from 400 means. @param body its text, as far as it was read */
export function refusal (status: number, headers: Headers, body: string, capsSpending: boolean): ModelError {
  const retryAfter = retryAfterOf(headers)
  let code = codeOf(status, wordsOf(errorOf(body)))
  if (status === 429 && capsSpending && retryAfter === undefined) code = 'upstream_quota'
  const should = header(headers, 'x-should-retry')
  return new ModelError(code, {
    upstreamStatus: status,
    retryAfter,
    retryable: should === 'false' ? false : should === 'true' && code !== 'upstream_quota' ? true : undefined
  })
}

/** What it means when a model says in its answer that it failed. @param error what it says, as text or an object */
export function failure (error: unknown): ModelError {
  const words = wordsOf(error)
  const { code, type } = Object(error) as { code?: unknown, type?: unknown }
  const meaning = codeOf(statusOf(code) ?? statusOf(type) ?? 500, words)
  return new ModelError(meaning === 'upstream_error' ? 'upstream_failed' : meaning)
}

/** The error in the data of an event or in a body: `{"error": …}`, or all of it where there is no such thing. */
export function errorOf (data: string): unknown {
  try {
    const value = JSON.parse(data)
    return value?.error ?? value
  } catch {
    return data
  }
}

/** The status that a code or a type is, or stands for. */
function statusOf (code: unknown): number | undefined {
  if (typeof code !== 'string' && typeof code !== 'number') return undefined
  // Some write it as a text, and some have numbers of their own.
  if (/^[45]\d\d$/.test(`${code}`)) return Number(code)
  return STATUSES.get(code) ?? (REJECTED.test(`${code}`) ? 400 : undefined)
}

function codeOf (status: number, words: string): ModelErrorCode {
  if (status === 401 || status === 403) return 'upstream_auth'
  if (status === 402 || QUOTA.test(words)) return 'upstream_quota'
  if (status === 413 || (status !== 429 && TOO_LONG.test(words))) return 'prompt_too_long'
  if (status === 429) return 'upstream_rate_limit'
  if (status === 503 || status === 529) return 'upstream_overloaded'
  if (status === 404 || status === 405) return 'upstream_not_found'
  if (status >= 500 || status === 408 || status === 409) return 'upstream_error'
  return 'upstream_rejected'
}

/** All that an error says, to look for words in. */
function wordsOf (error: unknown): string {
  if (typeof error === 'string') return error.toLowerCase()
  const { code, type, message } = Object(error) as Record<string, unknown>
  return [code, type, message].filter(word => typeof word === 'string').join('\n').toLowerCase()
}
