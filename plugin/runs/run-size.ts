import type { SseFailure } from '../base/failure.ts'
import { sizeOf, type SsePayload } from '../wire/entry.ts'
import { RUNS_FULL, TOO_LARGE } from './failures.ts'
import type { RunSettings } from './options.ts'

/** Bytes that an event takes in memory in addition to its text. */
const EVENT_OVERHEAD = 256

export interface RunBytes {
  /** Counts bytes of a log until its run is forgotten. @returns false if that would exceed the limit of all runs */
  reserve (bytes: number): boolean
}

/** The number and the bytes of the events of a run, which are limited. */
export class RunSize {
  readonly #limits: Pick<RunSettings, 'maxEvents' | 'maxBytes'>
  readonly #allRuns: RunBytes
  events = 0
  bytes = 0

  constructor (limits: Pick<RunSettings, 'maxEvents' | 'maxBytes'>, allRuns: RunBytes) {
    this.#limits = limits
    this.#allRuns = allRuns
  }

  /** Counts an event. @returns the failure of the run if the event exceeds a limit */
  add (payload: SsePayload): SseFailure | undefined {
    const bytes = sizeOf(payload) + EVENT_OVERHEAD
    const { maxEvents, maxBytes } = this.#limits
    if (++this.events > maxEvents || this.bytes + bytes > maxBytes) return TOO_LARGE
    if (!this.#allRuns.reserve(bytes)) return RUNS_FULL
    this.bytes += bytes
    return undefined
  }
}
