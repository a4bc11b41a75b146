import type { ModelErrorCode } from './model-error.ts'
import type { ModelSettings } from './options.ts'
import type { Progress } from './protocols/delta-writer.ts'

/** Milliseconds to read the body of an error response. */
export const ERROR_BODY_TIMEOUT = 5_000
/** Milliseconds that a response may stay open after a complete answer, before its connection is closed. */
const TRAILING_TIMEOUT = 1_000

type TimeoutSettings = Pick<ModelSettings, 'connectTimeout' | 'firstByteTimeout' | 'firstTokenTimeout' | 'idleTimeout'>

/** The timeouts of one request. A request waits for one thing at a time: each method replaces the timer of the previous one. */
export class RequestTimeouts {
  readonly #settings: TimeoutSettings
  readonly #onTimeout: (code: ModelErrorCode) => void
  #timer: NodeJS.Timeout | undefined
  /** What the model did last, from the first delta on. */
  #activity: Exclude<Progress, 'none'> = 'delta'
  /** When data without a delta was received for the first time since the last delta. */
  #silentSince: number | undefined

  constructor (settings: TimeoutSettings, onTimeout: (code: ModelErrorCode) => void) {
    this.#settings = settings
    this.#onTimeout = onTimeout
  }

  awaitConnection (): void {
    this.#awaitOr('upstream_connect_timeout', this.#settings.connectTimeout)
  }

  awaitResponse (): void {
    this.#awaitOr('first_byte_timeout', this.#settings.firstByteTimeout)
  }

  awaitFirstDelta (): void {
    this.#awaitOr('first_token_timeout', this.#settings.firstTokenTimeout)
  }

  awaitNextDelta (): void {
    this.#activity = 'delta'
    this.#silentSince = undefined
    this.#awaitOr('idle_timeout', this.#settings.idleTimeout)
  }

  /**
   * Data was read after the first delta. It shows that the connection is alive, but a proxy may send pings for a model that
   * is not, and no further delta follows a finish reason.
   *
   * @param progress what the data contained last
   * @param isDemanded whether a delta is requested; the timeout restarts with the next request otherwise
   */
  dataReceived (progress: Progress, isDemanded: boolean): void {
    if (progress === 'work') return this.#awaitWork()
    if (progress !== 'none' && this.#activity === 'work') this.awaitNextDelta()
    if (progress !== 'none') this.#activity = progress
    if (isDemanded && this.#activity === 'delta') this.#restartAfterData(progress)
  }

  awaitErrorBody (): void {
    this.#awaitOr('idle_timeout', ERROR_BODY_TIMEOUT)
  }

  /** @param onTimeout called if the response is still open */
  awaitResponseEnd (onTimeout: () => void): void {
    this.#start(onTimeout, TRAILING_TIMEOUT)
  }

  /** Starts the current timeout again, also if it has expired. */
  restart (): void {
    this.#silentSince = undefined
    this.#timer!.refresh()
  }

  clear (): void {
    clearTimeout(this.#timer)
  }

  /** The model works without sending anything, until it sends a delta. */
  #awaitWork (): void {
    if (this.#activity === 'work') return
    this.#activity = 'work'
    this.#awaitOr('idle_timeout', this.#silenceTimeout)
  }

  #restartAfterData (progress: Progress): void {
    if (progress === 'delta') return this.restart()
    const now = performance.now()
    this.#silentSince ??= now
    if (now - this.#silentSince < this.#silenceTimeout) this.#timer!.refresh()
    else this.#onTimeout('idle_timeout')
  }

  /** Milliseconds without a delta after which a model is considered dead, even if data is received. */
  get #silenceTimeout (): number {
    return Math.max(this.#settings.firstTokenTimeout, this.#settings.idleTimeout)
  }

  #awaitOr (code: ModelErrorCode, ms: number): void {
    this.#start(() => { this.#onTimeout(code) }, ms)
  }

  #start (onTimeout: () => void, ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(onTimeout, ms)
  }
}
