import { SSE_ERR_OPTION, SSE_ERR_RUN_FORGOTTEN } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import type { SseBroker } from '../channels/broker.ts'
import { eventStreamOf } from '../stream/emitter.ts'
import type { EventStream } from '../stream/event-stream.ts'
import type { SseEntry } from '../wire/entry.ts'
import { resolveReadOptions, resolveWatchOptions, type SseReadOptions, type SseWatchOptions } from './options.ts'
import { withResponseTimeout } from './response-timeout.ts'
import { isBeginning, isEnd, readLog, type LogReading, type SseRunEnd } from './run-log.ts'
import type { RunState } from './run-state.ts'
import type { SseEmitter } from '../stream/sse-emitter.ts'

/**
 * A run: a producer that continues without viewers, and the log of its events. The log ends with a terminal event of the
 * type `done`, `failed` or `aborted`.
 */
export interface SseRun {
  readonly id: string

  /** The option `owner` with which the run was started; `undefined` without it. */
  readonly owner: string | undefined

  /**
   * `running`, or how the run ended. For a run of another process, this is its state at the last call of `runs.get()`, or the
   * end that a viewer in this process has received.
   */
  readonly state: 'running' | SseRunEnd

  /** The number of clients of this process that watch the run, plus the iterations of `read()` in progress. */
  readonly viewers: number

  /**
   * Sends the events of the run to a client: all of them, or those after the client's Last-Event-ID. The stream ends
   * after the terminal event. A client that reconnects after it has received that event gets 204, which stops a browser's
   * EventSource.
   *
   * Slow clients and disconnects don't affect the run, unless its option `orphanTimeout` is set.
   *
   * @param emitter an emitter returned by `reply.sse()` through which nothing was sent yet
   * @returns a promise that resolves and rejects like that of `emitter.subscribe()`; an unhandled rejection never crashes the
   *   process
   * @throws SSE_ERR_OPTION for an unknown or invalid option, SSE_ERR_RUN_FORGOTTEN (410) if the run has ended and its log has
   *   been deleted. The stream ends with this error
   */
  watch (emitter: SseEmitter<any>, options?: SseWatchOptions): Promise<void>

  /**
   * Reads the events of the run in this process, including the terminal event, for example to store them or to translate
   * them to another protocol. The data of each event is text. The reader counts as a viewer.
   *
   * The iteration throws the reason of `signal` when it aborts, and SSE_ERR_RUN_FORGOTTEN (410) if the log of the run has been
   * deleted.
   *
   * @throws SSE_ERR_OPTION for an unknown or invalid option
   */
  read (options?: SseReadOptions): AsyncIterable<SseEntry>

  /**
   * Ends the run as `aborted`, whichever process produces it. Does nothing if the run has ended.
   *
   * @returns a promise that resolves when the terminal event is in the log
   * @throws SSE_ERR_BROKER_UNAVAILABLE (503) if the broker does not respond within five seconds. A run of this process is
   *   ended nevertheless
   */
  cancel (): Promise<void>
}

/** The object that applications receive for a run. */
export class Run implements SseRun {
  readonly #state: RunState
  readonly #broker: SseBroker
  readonly #cancel: () => Promise<void>

  constructor (state: RunState, broker: SseBroker, cancel: () => Promise<void>) {
    this.#state = state
    this.#broker = broker
    this.#cancel = cancel
  }

  get id (): string {
    return this.#state.id
  }

  get owner (): string | undefined {
    return this.#state.owner
  }

  get state (): 'running' | SseRunEnd {
    return this.#state.status
  }

  get viewers (): number {
    return this.#state.viewers
  }

  watch (emitter: SseEmitter<any>, options?: SseWatchOptions): Promise<void> {
    const watching = this.#watchOrFail(emitter, options)
    // It rejects if the client disconnects meanwhile, which must not crash the process.
    watching.catch(() => {})
    return watching
  }

  async #watchOrFail (emitter: SseEmitter<any>, options: SseWatchOptions | undefined): Promise<void> {
    const stream = eventStreamOf(emitter)
    if (stream === undefined) throw new SSE_ERR_OPTION('The emitter passed to run.watch() must be one that reply.sse() returned', `received ${describe(emitter)}`)
    try {
      await this.#watch(emitter, stream, options)
    } catch (error) {
      // Without the run the stream has no purpose.
      emitter.completeWithError(error)
      throw error
    }
  }

  async #watch (emitter: SseEmitter<any>, stream: EventStream, options: SseWatchOptions | undefined): Promise<void> {
    const { markers } = resolveWatchOptions(options)
    if (this.#state.isCompleteFor(stream.connection.lastEventId)) {
      stream.decline()
      return
    }
    if (this.#state.end !== undefined) await this.#assertLog()
    this.#state.addViewer()
    emitter.onCompletion(() => this.#state.removeViewer())
    const until = stream.connection.lastEventId === undefined ? this.#isEndOfWholeLog() : this.#isEnd
    await emitter.subscribe({ name: this.#state.channel }, { from: 'start', until, markers })
    // It may have been deleted meanwhile.
    if (this.#state.end !== undefined && emitter.state === 'open') await this.#assertLog()
  }

  /** The log of a run that has ended may have been deleted, and nothing would be published to it. */
  async #assertLog (): Promise<void> {
    const { entries } = await withResponseTimeout(this.#broker.replay(this.#state.channel, undefined, 1))
    if (entries.length === 0) throw new SSE_ERR_RUN_FORGOTTEN()
  }

  /** Returns a function like `#isEnd` for a viewer that reads the log from its beginning, which may have been deleted. */
  #isEndOfWholeLog (): (entry: SseEntry) => boolean {
    let isFirst = true
    return entry => {
      if (isFirst && !isBeginning(entry) && !isEnd(entry)) throw new SSE_ERR_RUN_FORGOTTEN()
      isFirst = false
      return this.#isEnd(entry)
    }
  }

  readonly #isEnd = (entry: SseEntry): boolean => {
    if (!isEnd(entry)) return false
    this.#state.onEndSeen(entry)
    return true
  }

  read (options?: SseReadOptions): AsyncIterableIterator<SseEntry> {
    const { after, signal } = resolveReadOptions(options)
    const leaving = new AbortController()
    const entries = this.#read({ after, signal, leaving: leaving.signal })
    return {
      next: () => entries.next(),
      return: () => {
        // A generator would finish only after the entry for which it waits.
        leaving.abort()
        return entries.return()
      },
      [Symbol.asyncIterator] () { return this }
    }
  }

  async * #read (reading: LogReading): AsyncGenerator<SseEntry, void, undefined> {
    let isViewer = true
    const leave = (): void => {
      if (isViewer) this.#state.removeViewer()
      isViewer = false
    }
    this.#state.addViewer()
    reading.leaving!.addEventListener('abort', leave)
    try {
      for await (const entry of readLog(this.#broker, this.#state.channel, reading)) {
        if (isEnd(entry)) this.#state.onEndSeen(entry)
        if (entry.data !== undefined) yield entry
      }
    } finally {
      leave()
    }
  }

  async cancel (): Promise<void> {
    if (this.#state.end === undefined) await withResponseTimeout(this.#cancel())
  }
}
