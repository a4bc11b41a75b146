import type { SseBroker } from '../channels/broker.ts'
import type { Emitter } from '../stream/emitter.ts'
import type { SseEntry } from '../wire/entry.ts'
import { compareIds, epochOf } from '../wire/event-id.ts'
import { resolveReadOptions, resolveWatchOptions, type SseReadOptions, type SseWatchOptions } from './options.ts'
import { isEnd, readLog, runChannel, type SseRunEnd } from './run-log.ts'
import type { SseEmitter } from '../stream/sse-emitter.ts'

/** An emitter, whatever its events. */
export type WatchingEmitter = Pick<SseEmitter, 'subscribe' | 'onCompletion' | 'lastEventId'>

/** A producer that outlives its viewers: what it yields is kept in a log, which ends with exactly one event that says how. */
export interface SseRun {
  readonly id: string

  /** `running`, or how it has ended: as this process knows it. */
  readonly state: 'running' | SseRunEnd

  /** How many watch or read it here. */
  readonly viewers: number

  /**
   * Has a client watch the run: from its beginning, or from the client's Last-Event-ID on, and to its end, after which
   * the stream ends, too. A client that comes back and has seen the end gets 204, so that a browser's EventSource stops.
   * What a client does, or its leaving, is nothing to the run, unless the run has an `orphanTimeout`.
   *
   * @param emitter one that nothing was sent to yet
   * @param options.markers as in `emitter.subscribe`
   * @returns and rejects as `emitter.subscribe` does
   */
  watch (emitter: WatchingEmitter, options?: SseWatchOptions): Promise<void>

  /**
   * Reads the run in this process, to store it or to turn it into another protocol: each event, as text, up to and with
   * its end. Counts as a viewer. Reads no faster than it is asked to.
   *
   * @throws the signal's reason
   */
  read (options?: SseReadOptions): AsyncIterable<SseEntry>

  /** Ends the run as `aborted`, wherever its producer is, unless it has ended. @returns when that is in its log */
  cancel (): Promise<void>
}

/** See {@link SseRun}. */
export class Run implements SseRun {
  readonly id: string
  readonly channel: string
  readonly #broker: SseBroker
  readonly #cancel: () => Promise<void>
  /** The last event of its log, once there is one. */
  end: SseEntry | undefined
  viewers = 0
  /** Since when nobody has viewed it, by `performance.now()`; Infinity while somebody does. */
  orphanedSince = performance.now()
  /** Called when there is a first viewer, and when the last one has left. */
  onViewed = (): void => {}
  onOrphaned = (): void => {}

  constructor (id: string, broker: SseBroker, cancel: () => Promise<void>, end?: SseEntry) {
    this.id = id
    this.channel = runChannel(id)
    this.#broker = broker
    this.#cancel = cancel
    this.end = end
  }

  get state (): 'running' | SseRunEnd {
    return this.end === undefined ? 'running' : this.end.event as SseRunEnd
  }

  async watch (emitter: WatchingEmitter, options?: SseWatchOptions): Promise<void> {
    const { markers } = resolveWatchOptions(options)
    const viewer = emitter as Emitter
    if (this.#hasSeenEnd(viewer.lastEventId)) {
      viewer.decline()
      return
    }
    this.#arrive()
    viewer.onCompletion(() => this.#leave())
    await viewer.subscribe({ name: this.channel }, { from: 'start', until: isEnd, markers })
  }

  read (options?: SseReadOptions): AsyncGenerator<SseEntry, void, undefined> {
    const { after, signal } = resolveReadOptions(options)
    return this.#read(after, signal)
  }

  async * #read (after: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<SseEntry, void, undefined> {
    this.#arrive()
    try {
      for await (const entry of readLog(this.#broker, this.channel, after, signal)) {
        if (entry.data !== undefined) yield entry
        if (isEnd(entry)) break
      }
    } finally {
      this.#leave()
    }
  }

  async cancel (): Promise<void> {
    if (this.end === undefined) await this.#cancel()
  }

  #hasSeenEnd (id: string | undefined): boolean {
    if (this.end === undefined || id === undefined) return false
    return epochOf(id) === epochOf(this.end.id) && compareIds(id, this.end.id) >= 0
  }

  #arrive (): void {
    if (this.viewers++ === 0) this.onViewed()
    this.orphanedSince = Infinity
  }

  #leave (): void {
    if (--this.viewers > 0) return
    this.orphanedSince = performance.now()
    this.onOrphaned()
  }
}
