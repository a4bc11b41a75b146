import type { ModelErrorCode } from './model-error.ts'
import type { ModelSettings } from './options.ts'

/** Milliseconds to read the body of an error response. */
const ERROR_BODY_TIMEOUT = 5_000
/** Milliseconds that a response may stay open after a complete answer, before its connection is closed. */
const TRAILING_TIMEOUT = 1_000

type TimeoutSettings = Pick<ModelSettings, 'connectTimeout' | 'firstByteTimeout' | 'firstTokenTimeout' | 'idleTimeout'>

/** The timeouts of one request. A request waits for one thing at a time: each method replaces the timer of the previous one. */
export class RequestTimeouts {
  readonly #settings: TimeoutSettings
  readonly #onTimeout: (code: ModelErrorCode) => void
  #timer: NodeJS.Timeout | undefined

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
    this.#awaitOr('idle_timeout', this.#settings.idleTimeout)
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
    this.#timer!.refresh()
  }

  clear (): void {
    clearTimeout(this.#timer)
  }

  #awaitOr (code: ModelErrorCode, ms: number): void {
    this.#start(() => { this.#onTimeout(code) }, ms)
  }

  #start (onTimeout: () => void, ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(onTimeout, ms)
  }
}
