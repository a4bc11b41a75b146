import { MODEL_ERRORS, type ModelError, type ModelErrorMeaning } from './model-error.ts'
import type { ModelSettings } from './options.ts'

/** Milliseconds before the first repetition; twice as many before each further one. */
const FIRST_DELAY = 500

/**
 * How long to wait until a request is repeated.
 *
 * @param repeated how often it was repeated before
 * @param random from 0 to 1: those that failed together do not come back together
 * @returns milliseconds, or undefined where it is not to be repeated
 */
export function delayOf (error: ModelError, repeated: number, { retries, maxRetryDelay }: Pick<ModelSettings, 'retries' | 'maxRetryDelay'>, random = Math.random()): number | undefined {
  const { repeats = retries }: ModelErrorMeaning = MODEL_ERRORS[error.code]
  if (!error.retryable || repeated >= Math.min(retries, repeats)) return undefined
  const { retryAfter } = error
  if (retryAfter === undefined) return Math.min(FIRST_DELAY * 2 ** repeated, maxRetryDelay) * (1 - random / 4)
  return retryAfter > maxRetryDelay ? undefined : Math.min(retryAfter * (1 + random / 4), maxRetryDelay)
}
