import type { ReconnectDelay } from './backoff.ts'

/** Waits before a reconnect. */
export class ReconnectTimer {
  /** Resolves after the delay, or when the timer is canceled. */
  readonly elapsed: Promise<void>
  readonly #startedAt = Date.now()
  readonly #minimum: number
  /** Runs for the whole delay. It is never extended, whatever the wall clock does. */
  readonly #timer: ReturnType<typeof setTimeout>
  #shortTimer: ReturnType<typeof setTimeout> | undefined
  #resolve!: () => void

  constructor ({ delay, minimum }: ReconnectDelay) {
    this.#minimum = minimum
    this.elapsed = new Promise(resolve => { this.#resolve = resolve })
    this.#timer = setTimeout(() => this.cancel(), delay)
  }

  /** Shortens the delay to the minimum that the server requested. */
  shorten (): void {
    // By the wall clock, because timers do not run while the machine sleeps.
    const waited = Math.max(Date.now() - this.#startedAt, 0)
    clearTimeout(this.#shortTimer)
    this.#shortTimer = setTimeout(() => this.cancel(), Math.max(this.#minimum - waited, 0))
  }

  cancel (): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#shortTimer)
    this.#resolve()
  }
}
