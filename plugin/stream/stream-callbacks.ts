import type { FastifyBaseLogger } from 'fastify'
import { Callbacks } from '../base/callbacks.ts'
import type { SseReason } from '../base/errors.ts'
import { atEndOfTurn } from '../base/event-loop.ts'
import { logCallbackFailed } from './log.ts'

/** The callbacks of one stream. A list is created when it is first needed, because most streams have at most one. */
export class StreamCallbacks {
  readonly #log: FastifyBaseLogger
  #timeout: Callbacks<[]> | undefined
  #error: Callbacks<[unknown]> | undefined
  #completion: Callbacks<[SseReason]> | undefined
  /** Errors that will be logged at the end of the turn. */
  #unlogged: Set<unknown> | undefined

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  onTimeout (callback: () => unknown): void {
    this.#timeout ??= new Callbacks()
    this.#timeout.add(callback, this.report)
  }

  onError (callback: (error: unknown) => unknown): void {
    this.#error ??= new Callbacks()
    this.#error.add(callback, this.report)
  }

  onCompletion (callback: (reason: SseReason) => unknown): void {
    this.#completion ??= new Callbacks()
    this.#completion.add(callback, this.report)
  }

  /** Whether `timeOut` was called. */
  get timedOut (): boolean {
    return this.#timeout?.done === true
  }

  /** Whether `fail` was called. */
  get failed (): boolean {
    return this.#error?.done === true
  }

  /** Whether `fail` was called with this error. */
  failedWith (error: unknown): boolean {
    return this.#error?.finalArgs?.[0] === error && this.failed
  }

  /**
   * Logs an error at the end of the turn, unless the stream has failed with it by then: an application that passes the
   * error of a send to `completeWithError` would find it in the log twice.
   */
  logUnlessFailed (error: unknown, write: (log: FastifyBaseLogger, error: unknown) => void): void {
    this.#unlogged ??= new Set()
    if (this.#unlogged.has(error)) return
    this.#unlogged.add(error)
    atEndOfTurn({
      endTurn: () => {
        this.#unlogged!.delete(error)
        if (!this.failedWith(error)) write(this.#log, error)
      }
    })
  }

  /** Calls those of `onTimeout`, for the last time. @returns a promise for each that is still busy; none of them rejects */
  timeOut (): Array<Promise<void>> {
    this.#timeout ??= new Callbacks()
    return this.#timeout.finish([], this.report)
  }

  /** Calls those of `onError`. They may be called again. */
  warn (error: unknown): void {
    this.#error?.call([error], this.report)
  }

  /** Calls those of `onError`, for the last time. */
  fail (error: unknown): void {
    this.#error ??= new Callbacks()
    this.#error.finish([error], this.report)
  }

  /** Calls those of `onCompletion`, for the last time. */
  complete (reason: SseReason): void {
    this.#completion ??= new Callbacks()
    this.#completion.finish([reason], this.report)
  }

  /** Logs what a callback threw. Created on each use, since nearly no stream needs it twice. */
  get report (): (error: unknown) => void {
    return error => logCallbackFailed(this.#log, error)
  }
}
