import { setImmediate } from 'node:timers'
import { Deferred } from '../base/deferred.ts'
import { WheelTimer } from '../base/timer-wheel.ts'

/** A command that awaits its reply, with a deadline. */
export class PendingCommand extends WheelTimer {
  readonly reply = new Deferred<unknown>()
  readonly #onTimeout: () => void
  #finished = false

  constructor (onTimeout: () => void) {
    super()
    this.#onTimeout = onTimeout
  }

  fire (): void {
    // If this process was busy, the reply may have arrived but has not been read yet.
    setImmediate(() => { if (!this.#finished) this.#onTimeout() })
  }

  finish (): void {
    this.#finished = true
  }
}
