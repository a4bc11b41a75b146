import { LONGEST, type RetrySettings } from './options.ts'

/** A pause before the next request, in milliseconds. */
export interface Delay {
  readonly delay: number
  /** How much of it the server wants, which nothing shortens. */
  readonly asked: number
}

/** When to connect again. */
export class Retry {
  readonly #settings: RetrySettings
  /** Since something came last. */
  #failures = 0
  /** What the server has said by `retry:`. */
  #told: number | undefined

  constructor (settings: RetrySettings) {
    this.#settings = settings
  }

  /** The server says how long the pause is to be. */
  tell (ms: number): void {
    this.#told = ms
  }

  /** Something came. */
  succeed (): void {
    this.#failures = 0
  }

  /**
   * The connection has failed.
   *
   * @param retryAfter what the server has said by `Retry-After`, in milliseconds
   * @returns the pause; undefined if it has failed often enough
   */
  next (retryAfter: number | undefined): Delay | undefined {
    const { initial, max, jitter, attempts } = this.#settings
    if (this.#failures >= attempts) return undefined
    const first = this.#told ?? initial
    // Where the server wants none, it is still not asked without any when it fails.
    const backoff = Math.min(this.#failures === 0 ? first : Math.max(first, initial) * 2 ** this.#failures, max)
    this.#failures++
    const asked = Math.min(retryAfter ?? this.#told ?? 0, LONGEST)
    const pause = Math.max(asked, backoff) * (1 + jitter * Math.random())
    return { delay: Math.min(Math.round(pause), LONGEST), asked }
  }
}

/**
 * The milliseconds that a `Retry-After` header asks for: seconds, or a date (RFC 9110, 10.2.3), which is read by the
 * server's clock where it shows that.
 *
 * @returns undefined if there is none that can be read
 */
export function retryAfter (headers: Headers): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  if (/^[0-9]+$/.test(value)) return Number(value) * 1_000
  const date = Date.parse(value)
  if (Number.isNaN(date)) return undefined
  const now = Date.parse(headers.get('date') ?? '')
  return Math.max(0, date - (Number.isNaN(now) ? Date.now() : now))
}
