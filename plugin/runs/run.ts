import { SSE_ERR_OPTION } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import type { SseBroker } from '../channels/broker.ts'
import { eventStreamOf } from '../stream/emitter.ts'
import type { SseEntry } from '../wire/entry.ts'
import { resolveReadOptions, resolveWatchOptions, type SseReadOptions, type SseWatchOptions } from './options.ts'
import { isEnd, readLog, type SseRunEnd } from './run-log.ts'
import type { RunState } from './run-state.ts'
import type { SseEmitter } from '../stream/sse-emitter.ts'

/**
 * A run: a producer that continues without viewers, and the log of its events. The log ends with a terminal event of the
 * type `done`, `failed` or `aborted`.
 */
export interface SseRun {
  readonly id: string

  /** `running`, or how the run ended, as far as this process knows. */
  readonly state: 'running' | SseRunEnd

  /** The number of clients in this process that watch the run, plus the calls of `read()` in progress. */
  readonly viewers: number

  /**
   * Sends the events of the run to a client: all of them, or those after the client's Last-Event-ID. The stream ends
   * after the terminal event. A client that reconnects after it has received that event gets 204, which stops a browser's
   * EventSource.
   *
   * Slow clients and disconnects don't affect the run, unless its option `orphanTimeout` is set.
   *
   * @param emitter an emitter returned by `reply.sse()` that nothing has been sent to
   * @returns a promise that resolves and rejects like that of `emitter.subscribe()`
   * @throws SSE_ERR_OPTION
   */
  watch (emitter: SseEmitter<any>, options?: SseWatchOptions): Promise<void>

  /**
   * Reads the events of the run in this process, including the terminal event, for example to store them or to translate
   * them to another protocol. The data of each event is text. The reader counts as a viewer.
   *
   * @throws SSE_ERR_OPTION; when iterating, the reason of an aborted `signal`
   */
  read (options?: SseReadOptions): AsyncIterable<SseEntry>

  /**
   * Ends the run as `aborted`, regardless of the process that produces it. Does nothing if the run has ended.
   *
   * @returns a promise that resolves when the terminal event is in the log
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

  get state (): 'running' | SseRunEnd {
    return this.#state.status
  }

  get viewers (): number {
    return this.#state.viewers
  }

  async watch (emitter: SseEmitter<any>, options?: SseWatchOptions): Promise<void> {
    const { markers } = resolveWatchOptions(options)
    const stream = eventStreamOf(emitter)
    if (stream === undefined) throw new SSE_ERR_OPTION(`The emitter passed to run.watch() must be one that reply.sse() returned; received ${describe(emitter)}`)
    if (this.#state.isCompleteFor(stream.lastEventId)) {
      stream.decline()
      return
    }
    this.#state.addViewer()
    emitter.onCompletion(() => this.#state.removeViewer())
    await emitter.subscribe({ name: this.#state.channel }, { from: 'start', until: isEnd, markers })
  }

  read (options?: SseReadOptions): AsyncGenerator<SseEntry, void, undefined> {
    const { after, signal } = resolveReadOptions(options)
    return this.#read(after, signal)
  }

  async * #read (after: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<SseEntry, void, undefined> {
    this.#state.addViewer()
    try {
      for await (const entry of readLog(this.#broker, this.#state.channel, after, signal)) {
        if (entry.data !== undefined) yield entry
        if (isEnd(entry)) break
      }
    } finally {
      this.#state.removeViewer()
    }
  }

  async cancel (): Promise<void> {
    if (this.#state.end === undefined) await this.#cancel()
  }
}
