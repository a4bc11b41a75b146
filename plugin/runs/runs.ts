import type { SseSequence } from '../stream/sse-emitter.ts'
import type { SseRunLookup, SseRunOptions } from './options.ts'
import type { SseRun } from './run.ts'
import type { SseRunEnd } from './run-log.ts'
import type { RunRegistry } from './run-registry.ts'

/** The events that a producer may yield. */
type Producible<Events> = unknown extends Events ? any : Omit<Events, SseRunEnd>

/**
 * Produces a run. It is called once, when the run starts. Each item it yields becomes an event of the run. The return
 * value of a generator becomes the data of the terminal event `done`; for any other iterable, that data is `{}`.
 *
 * The event types `done`, `failed` and `aborted` are reserved for the terminal event: an item of such a type ends the run as
 * `failed` with the code SSE_ERR_EVENT.
 *
 * @param context.signal aborted when the run is ended by anything but the producer; items yielded after that are
 *   discarded
 */
export type SseRunProducer<Events = any> =
  (context: { readonly id: string, readonly signal: AbortSignal }) => SseSequence<Producible<Events>> | Promise<SseSequence<Producible<Events>>>

/** The result of `app.sse.runs.start()`. */
export interface SseRunStarted {
  readonly run: SseRun
  /** Whether the run existed before this call. */
  readonly repeated: boolean
}

/** An element of `app.sse.runs.list()`. */
export interface SseRunInfo {
  readonly id: string
  /** The option `owner` with which the run was started; `undefined` without it. */
  readonly owner: string | undefined
  readonly state: SseRun['state']
  readonly viewers: number
  /** The number of events, without the terminal one. Text that was joined by the option `coalesce` is one event. */
  readonly events: number
  /** Milliseconds since the start of the run. */
  readonly age: number
}

/** Runs: text generations, exports and other jobs that continue when their viewers disconnect. */
export interface SseRuns {
  /** The number of runs produced in this process, including those that have ended and can still be watched. */
  readonly size: number

  /** Returns a snapshot of the runs that `size` counts. */
  list (): SseRunInfo[]

  /**
   * Starts a run. If a run with this id and owner exists, in this process or in another one with the same broker, it returns that
   * run, whatever its state, and does not call the producer.
   *
   * @typeParam Events the data of each type of event
   * @param id 1 to 200 characters, no control characters. It should be hard to guess, unless the run has an owner
   * @throws
   *   - SSE_ERR_RUN_ID or SSE_ERR_OPTION for an invalid argument
   *   - SSE_ERR_RUNS_FULL (503) if the plugin's option `maxRuns` or `maxRunBytes` is reached in this process
   *   - SSE_ERR_RUNS_CLOSED (503) after `app.close()`
   *   - SSE_ERR_RUN_FORGOTTEN (410) if a run with this id was started less than ten minutes ago and its log has been
   *     deleted
   *   - SSE_ERR_BROKER_UNAVAILABLE (503) if the broker does not respond within five seconds; any error of the broker
   */
  start<Events = any> (id: string, producer: SseRunProducer<Events>, options?: SseRunOptions): Promise<SseRunStarted>

  /**
   * Returns a run, or `undefined` if there is none with this id, it has another owner, or its log has been deleted.
   *
   * @throws SSE_ERR_RUN_ID or SSE_ERR_OPTION for an invalid argument; SSE_ERR_BROKER_UNAVAILABLE (503) if the broker does not respond within five seconds
   */
  get (id: string, options?: SseRunLookup): Promise<SseRun | undefined>

  /**
   * Ends a run as `aborted`, unless it has ended.
   *
   * @returns whether the run exists; false also if it has another owner
   * @throws SSE_ERR_RUN_ID or SSE_ERR_OPTION for an invalid argument; SSE_ERR_BROKER_UNAVAILABLE (503) if the broker does not respond within five seconds
   */
  cancel (id: string, options?: SseRunLookup): Promise<boolean>
}

/** The object that applications receive as `app.sse.runs`. */
export class Runs implements SseRuns {
  readonly #registry: RunRegistry

  constructor (registry: RunRegistry) {
    this.#registry = registry
  }

  get size (): number {
    return this.#registry.size
  }

  list (): SseRunInfo[] {
    return this.#registry.list()
  }

  start (id: string, producer: SseRunProducer, options?: SseRunOptions): Promise<SseRunStarted> {
    return this.#registry.start(id, producer, options)
  }

  get (id: string, options?: SseRunLookup): Promise<SseRun | undefined> {
    return this.#registry.get(id, options)
  }

  cancel (id: string, options?: SseRunLookup): Promise<boolean> {
    return this.#registry.cancel(id, options)
  }
}
