import { MAX_DELAY } from '../base/option-checks.ts'
import type { RetrySettings } from './options.ts'

/** How long to wait before a reconnect, in milliseconds. */
export interface ReconnectDelay {
  readonly delay: number
  /** The part of it that the server requested, and that must not be shortened. */
  readonly minimum: number
}

/** Computes reconnect delays, which grow with each consecutive failure. */
export class Backoff {
  readonly #settings: RetrySettings
  #failures = 0
  /** The last `retry:` field from the server. */
  #reconnectionTime: number | undefined
  /**
   * The last one that an event or a comment followed. One at the end of a stream, such as that of a server that shuts down, is
   * for the next reconnect only.
   */
  #lastingTime: number | undefined

  constructor (settings: RetrySettings) {
    this.#settings = settings
  }

  setReconnectionTime (ms: number): void {
    this.#reconnectionTime = ms
  }

  /** Resets the count of consecutive failures, because the server sent an event or a comment. */
  reset (): void {
    this.#failures = 0
    this.#lastingTime = this.#reconnectionTime
  }

  /**
   * Counts a failure.
   *
   * @param retryAfter milliseconds that the server requested with `Retry-After`
   * @returns the delay; undefined after the last attempt
   */
  next (retryAfter: number | undefined): ReconnectDelay | undefined {
    const { initial, max, jitter, attempts } = this.#settings
    if (this.#failures >= attempts) return undefined
    const first = this.#reconnectionTime ?? initial
    // With `retry: 0` only the first reconnect is immediate, so that a server that fails is not flooded.
    const backoff = Math.min(this.#failures === 0 ? first : Math.max(first, initial) * 2 ** this.#failures, max)
    this.#failures++
    const minimum = Math.min(retryAfter ?? this.#reconnectionTime ?? 0, MAX_DELAY)
    this.#reconnectionTime = this.#lastingTime
    const delay = Math.max(minimum, backoff) * (1 + jitter * Math.random())
    return { delay: Math.min(Math.round(delay), MAX_DELAY), minimum }
  }
}
