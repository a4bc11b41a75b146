/** Milliseconds that a connection gets to receive data after the page, and with it every timer, was suspended. */
const GRACE = 1_000

/** Detects a connection that no longer receives anything. */
export class Watchdog {
  readonly #timeout: number
  readonly #onTimeout: () => void
  /** When the current wait for data began; undefined while data is processed. */
  #waitingSince: number | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param timeout milliseconds; 0 disables it */
  constructor (timeout: number, onTimeout: () => void) {
    this.#timeout = timeout
    this.#onTimeout = onTimeout
  }

  /** Starts a wait for data. */
  start (): void {
    if (this.#timeout === 0) return
    this.#waitingSince = Date.now()
    this.check()
  }

  stop (): void {
    this.#waitingSince = undefined
    clearTimeout(this.#timer)
  }

  /**
   * Compares the wait with the wall clock, because timers do not run while a page is frozen or the machine sleeps. After
   * that, data may have arrived that has not been read yet, so the connection gets a grace period.
   */
  check (): void {
    if (this.#waitingSince === undefined) return
    const waited = Date.now() - this.#waitingSince
    clearTimeout(this.#timer)
    if (waited < this.#timeout) this.#timer = setTimeout(() => this.check(), this.#timeout - waited)
    else if (waited < this.#timeout + GRACE) this.#onTimeout()
    else this.#timer = setTimeout(this.#onTimeout, GRACE)
  }
}
