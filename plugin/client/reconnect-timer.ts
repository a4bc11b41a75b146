import type { ReconnectDelay } from './backoff.ts'

/** Waits before a reconnect. */
export class ReconnectTimer {
  /** Resolves after the delay, or when the timer is canceled. */
  readonly elapsed: Promise<void>
  readonly #startedAt = Date.now()
  readonly #minimum: number
  #timer: ReturnType<typeof setTimeout>
  #resolve!: () => void

  constructor ({ delay, minimum }: ReconnectDelay) {
    this.#minimum = minimum
    this.elapsed = new Promise(resolve => { this.#resolve = resolve })
    this.#timer = setTimeout(this.#resolve, delay)
  }

  /** Shortens the delay to the minimum that the server requested. */
  shorten (): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#resolve, this.#startedAt + this.#minimum - Date.now())
  }

  cancel (): void {
    clearTimeout(this.#timer)
    this.#resolve()
  }
}
