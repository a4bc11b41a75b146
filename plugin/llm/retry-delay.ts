import { MODEL_ERRORS, type ModelError, type ModelErrorMeaning } from './model-error.ts'
import type { ModelSettings } from './options.ts'

/** Milliseconds before the first retry; doubled for each further one. */
const INITIAL_DELAY = 500

type RetrySettings = Pick<ModelSettings, 'retries' | 'maxRetryDelay'>

/**
 * The delay before a failed request is retried: exponential backoff, or what the upstream requests.
 *
 * @param attempt number of previous retries
 * @param random from 0 to 1; jitter spreads the retries of requests that failed at the same time
 * @returns milliseconds, or undefined if the request should not be retried
 */
export function retryDelay (error: ModelError, attempt: number, settings: RetrySettings, random?: number): number | undefined {
  const { repeats = Infinity }: ModelErrorMeaning = MODEL_ERRORS[error.code]
  return attempt >= repeats ? undefined : resumeDelay(error, attempt, settings, random)
}

/** The delay before an answer is resumed. Unlike a retry, this is also done after a timeout: the model does not start again. */
export function resumeDelay (error: ModelError, attempt: number, { retries, maxRetryDelay }: RetrySettings, random = Math.random()): number | undefined {
  if (!error.retryable || attempt >= retries) return undefined
  const { retryAfter } = error
  if (retryAfter === undefined) return Math.min(INITIAL_DELAY * 2 ** attempt, maxRetryDelay) * (1 - random / 4)
  return retryAfter > maxRetryDelay ? undefined : Math.min(retryAfter * (1 + random / 4), maxRetryDelay)
}
