/** Milliseconds that a connection gets to say something after the page, and its timers, have slept. */
const GRACE = 1_000

/** Notices that nothing is heard any more while something is waited for. */
export class Watchdog {
  readonly #timeout: number
  readonly #onSilence: () => void
  /** When something was heard last, or began to be waited for; undefined while nothing is. */
  #since: number | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param timeout milliseconds; 0: never */
  constructor (timeout: number, onSilence: () => void) {
    this.#timeout = timeout
    this.#onSilence = onSilence
  }

  /** Something is waited for from now on. */
  start (): void {
    if (this.#timeout === 0) return
    this.#since = Date.now()
    this.look()
  }

  stop (): void {
    this.#since = undefined
    clearTimeout(this.#timer)
  }

  /**
   * Looks how long nothing was heard, by the wall clock: the timer does not run while a page is frozen or the machine
   * sleeps. What came meanwhile may still be on its way to here, and gets a little time.
   */
  look (): void {
    if (this.#since === undefined) return
    const silence = Date.now() - this.#since
    clearTimeout(this.#timer)
    if (silence < this.#timeout) this.#timer = setTimeout(() => this.look(), this.#timeout - silence)
    else if (silence < this.#timeout + GRACE) this.#onSilence()
    else this.#timer = setTimeout(this.#onSilence, GRACE)
  }
}
