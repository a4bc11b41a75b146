import { currentTime } from '../base/clock.ts'
import type { SseFailure } from '../base/failure.ts'
import { IDLE, TIMED_OUT } from './failures.ts'
import type { RunSettings } from './options.ts'
import type { RunState } from './run-state.ts'

type TimeLimits = Pick<RunSettings, 'timeout' | 'idleTimeout' | 'orphanTimeout'>

/** When a run in progress has to end: its options `timeout`, `idleTimeout` and `orphanTimeout`. */
export class RunDeadlines {
  readonly #run: RunState
  readonly #limits: TimeLimits
  startedAt = currentTime()
  /** When the producer began to work on its next item; undefined while it waits for the broker. */
  idleSince: number | undefined

  constructor (run: RunState, limits: TimeLimits) {
    this.#run = run
    this.#limits = limits
  }

  /** The producer has yielded an item that is published later. */
  itemYielded (): void {
    if (this.idleSince !== undefined) this.idleSince = currentTime()
  }

  /** The earliest deadline, at the current state of the run; Infinity if there is none. */
  get next (): number {
    return Math.min(this.#timeoutAt, this.#idleTimeoutAt, this.#orphanTimeoutAt)
  }

  /** Returns the failure of a run that takes too long. */
  failureAt (now: number): SseFailure | undefined {
    if (now >= this.#timeoutAt) return TIMED_OUT
    return now >= this.#idleTimeoutAt ? IDLE : undefined
  }

  /** Whether the run has had no viewers for too long. */
  isOrphanedAt (now: number): boolean {
    return now >= this.#orphanTimeoutAt
  }

  get #timeoutAt (): number {
    return deadline(this.startedAt, this.#limits.timeout)
  }

  get #idleTimeoutAt (): number {
    return deadline(this.idleSince ?? currentTime(), this.#limits.idleTimeout)
  }

  get #orphanTimeoutAt (): number {
    return deadline(this.#run.orphanedSince, this.#limits.orphanTimeout)
  }
}

/** Adds a timeout to a time. A timeout of 0 milliseconds is disabled. */
function deadline (time: number, timeout: number): number {
  return timeout > 0 ? time + timeout : Infinity
}
