import { inspect } from 'node:util'

/** What a client may know about an error. */
export interface SseFailure {
  readonly code: string
  /** A message for users. */
  readonly message: string
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** Milliseconds to wait before it is retried, if the error states them. */
  readonly retryAfter?: number
}

const INTERNAL = 'An internal error occurred'
const UNAVAILABLE = 'The service is temporarily unavailable; try again later'

/** Statuses after which the same request may succeed. */
const RETRYABLE = new Set<unknown>([429, 503])

/**
 * Returns what clients may know about an error:
 * - If its property `expose` is `true`, as in http-errors, its code and its message. It is retryable if its property
 *   `retryable` is `true`; then `retryAfter` is included if it is a finite number of at least 0.
 * - For any other error of this package, whose code starts with `SSE_ERR_`, its code and a general message.
 * - For everything else, the code `fallback` and a general message.
 *
 * An error of this package is retryable if its status is 429 or 503. Never throws, whatever the error is.
 *
 * @param fallback the code for an error whose own code is hidden or absent
 */
export function failureOf (error: unknown, fallback = 'producer_failed'): SseFailure {
  if (!isInstance(error, Error)) return { code: fallback, message: INTERNAL, retryable: false }
  const code = textOf(error, 'code')
  const message = textOf(error, 'message')
  const isOurs = code !== undefined && /^SSE_ERR_[A-Z_]{1,48}$/.test(code)
  const retryable = isOurs ? RETRYABLE.has(propertyOf(error, 'statusCode')) : propertyOf(error, 'retryable') === true
  if (isExposed(error) && message !== undefined) return { code: code ?? fallback, message, retryable, ...retryable ? delayOf(error) : {} }
  if (!isOurs) return { code: fallback, message: INTERNAL, retryable: false }
  return { code, message: retryable ? UNAVAILABLE : INTERNAL, retryable }
}

/** Returns an error for a response, which contains only what clients may know about the given one. That is its cause. */
export function publicErrorOf (error: Error): Error {
  if (isExposed(error)) return error
  const { code, message } = failureOf(error, 'INTERNAL_ERROR')
  return Object.assign(new Error(message, { cause: error }), { code, expose: true })
}

function delayOf (error: Error): Pick<SseFailure, 'retryAfter'> {
  const retryAfter = propertyOf(error, 'retryAfter')
  return typeof retryAfter === 'number' && retryAfter >= 0 && retryAfter < Infinity ? { retryAfter } : {}
}

function isExposed (error: Error): boolean {
  return propertyOf(error, 'expose') === true
}

/** Like `instanceof`, but false for a value that throws when it is read, such as a Proxy. */
export function isInstance<Type> (value: unknown, type: abstract new (...args: never[]) => Type): value is Type {
  try {
    return value instanceof type
  } catch {
    return false
  }
}

/** Returns the value if it is an error, and otherwise an error that shows it. It is for logs: it contains the value. */
export function toError (value: unknown): Error {
  return isInstance(value, Error) ? value : new Error(`Not an error, but ${showValue(value)}`, { cause: value })
}

/** Returns an error with the message, the stack, the code and the detail of another one, which may be frozen or throw when read. */
export function plainErrorOf (value: unknown): Error {
  const error = toError(value)
  const plain = new Error(textOf(error, 'message') ?? 'An error that cannot be read')
  for (const name of ['stack', 'code', 'detail']) {
    const text = textOf(error, name)
    if (text !== undefined) Object.assign(plain, { [name]: text })
  }
  return plain
}

function showValue (value: unknown): string {
  try {
    return inspect(value)
  } catch {
    return 'a value that cannot be shown'
  }
}

function textOf (error: Error, name: string): string | undefined {
  const value = propertyOf(error, name)
  return typeof value === 'string' ? value : undefined
}

/** The value of a property; undefined if it cannot be read. */
function propertyOf (error: Error, name: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[name]
  } catch {
    return undefined
  }
}
