import type { SseFailure } from '../base/failure.ts'

// How runs end as `failed`, other than by an error of their producer.

export const TIMED_OUT: SseFailure = { code: 'timeout', message: 'The operation took too long', retryable: true }
export const IDLE: SseFailure = { code: 'idle_timeout', message: 'The operation stopped responding', retryable: true }
export const TOO_LARGE: SseFailure = { code: 'too_large', message: 'The result is too large', retryable: false }
export const RUNS_FULL: SseFailure = { code: 'runs_full', message: 'Too many results are kept; try again later', retryable: true }
export const NOT_STARTED: SseFailure = { code: 'not_started', message: 'The operation could not be started', retryable: true }
export const LOG_LOST: SseFailure = { code: 'log_lost', message: 'Events of the operation were lost', retryable: true }
