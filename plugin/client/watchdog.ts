/** Milliseconds that a connection gets to receive data after the page, and with it every timer, was suspended. */
const GRACE = 1_000

/** Milliseconds. A timer that fires later than this was suspended, or the event loop was blocked. */
const MAX_LATENESS = 100

/** Detects a connection that no longer receives anything. */
export class Watchdog {
  readonly #timeout: number
  readonly #onTimeout: () => void
  /** When the current wait for data began, by the wall clock; undefined while data is processed. */
  #waitingSince: number | undefined
  /** Runs from the start of the wait. It is never extended, whatever the wall clock does. */
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Ends the wait earlier if it was suspended for a time. */
  #wakeTimer: ReturnType<typeof setTimeout> | undefined
  #inGrace = false

  /** @param timeout milliseconds; 0 disables it */
  constructor (timeout: number, onTimeout: () => void) {
    this.#timeout = timeout
    this.#onTimeout = onTimeout
  }

  /** Starts a wait for data. */
  start (): void {
    if (this.#timeout === 0) return
    this.stop()
    this.#waitingSince = Date.now()
    this.#timer = setTimeout(() => this.#timerFired(), this.#timeout)
  }

  stop (): void {
    this.#waitingSince = undefined
    clearTimeout(this.#timer)
    clearTimeout(this.#wakeTimer)
    this.#inGrace = false
  }

  /**
   * Compares the wait with the wall clock, because timers do not run while a page is frozen or the machine sleeps. After
   * that, data may have arrived that has not been read yet, so the connection gets a grace period.
   */
  check (): void {
    if (this.#waitingSince === undefined || this.#inGrace) return
    const waited = Date.now() - this.#waitingSince
    // A clock that was set back does not show how long the machine slept.
    this.#inGrace = waited < 0 || waited >= this.#timeout
    clearTimeout(this.#wakeTimer)
    this.#wakeTimer = setTimeout(() => this.#end(), this.#inGrace ? GRACE : this.#timeout - waited)
  }

  #timerFired (): void {
    if (Date.now() - this.#waitingSince! <= this.#timeout + MAX_LATENESS) this.#end()
    else this.check()
  }

  #end (): void {
    this.stop()
    this.#onTimeout()
  }
}
