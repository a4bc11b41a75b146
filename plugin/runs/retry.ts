import { SSE_ERR_BROKER_CLOSED, SSE_ERR_IDEMPOTENCY_KEY, SSE_ERR_RUN_LOG_LOST } from '../base/errors.ts'
import { isInstance } from '../base/failure.ts'

/** Milliseconds before the second attempt, doubled with each further one, and their maximum. */
const FIRST_DELAY = 50
const MAX_DELAY = 1_000

const FINAL = [SSE_ERR_BROKER_CLOSED, SSE_ERR_IDEMPOTENCY_KEY, SSE_ERR_RUN_LOG_LOST, TypeError]

export interface RetryOptions<Result> {
  readonly attempt: () => Promise<Result>
  /** Whether no further attempt is wanted. */
  readonly isOver: () => boolean
  /** Called before the second attempt. */
  readonly report?: ((error: unknown) => void) | undefined
}

/**
 * Repeats an operation that the broker has rejected, until it succeeds.
 *
 * @param error the error of the first attempt
 * @throws the error of the last attempt, when `isOver` returns true or no attempt can succeed
 */
export async function retry<Result> (error: unknown, { attempt, isOver, report }: RetryOptions<Result>): Promise<Result> {
  if (!isFinal(error) && !isOver()) report?.(error)
  for (let delay = FIRST_DELAY; !isFinal(error) && !isOver(); delay = Math.min(delay * 2, MAX_DELAY)) {
    await new Promise(resolve => { setTimeout(resolve, delay).unref() })
    if (isOver()) break
    try {
      return await attempt()
    } catch (latest) {
      error = latest
    }
  }
  throw error
}

/** Whether a further attempt would fail in the same way. */
function isFinal (error: unknown): boolean {
  // A broker throws a TypeError for a payload that is invalid.
  return FINAL.some(type => isInstance(error, type))
}
