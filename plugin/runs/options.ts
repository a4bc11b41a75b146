import { abortSignal, anyFunction, boolean, integer, nonEmptyString, string, type Checks, type Resolved } from '../base/option-checks.ts'
import { resolveOptions } from '../base/options.ts'
import type { SseRunResult } from './run-result.ts'

/** The options of `app.sse.runs.get()` and `app.sse.runs.cancel()`. */
export interface SseRunLookup {
  /**
   * The owner of the run, for example the id of an authenticated user. A run with another owner, or without one, is not found.
   * Without it, only runs that have no owner are found.
   *
   * @default undefined
   */
  readonly owner?: string | undefined
}

/** The options of `app.sse.runs.start()`. */
export interface SseRunOptions {
  /**
   * The owner of the run, for example the id of an authenticated user: a non-empty string. The run can only be found with the
   * same owner. Each owner has ids of their own: with another owner, the same id is another run.
   *
   * @default undefined
   */
  readonly owner?: string | undefined

  /**
   * Called once when the run has ended, as `done`, `failed` or `aborted`, for example to store the answer. It is called in the
   * process that calls the producer, after the terminal event is in the log. Errors that it throws are logged. `app.close()` waits
   * for the promise that it returns, up to `shutdownGrace`. It is not called if the process dies, or if the run existed before.
   *
   * @default undefined
   */
  readonly onEnd?: ((result: SseRunResult) => unknown) | undefined

  /**
   * The maximum duration of the run in milliseconds. After that, it ends as `failed` with the code `timeout`. 0 sets no
   * limit.
   *
   * @default 3600000 (1 hour)
   */
  readonly timeout?: number | undefined

  /**
   * Milliseconds that the producer may take for its next item, without the time that the broker takes for an event. After
   * that, the run ends as `failed` with the code `idle_timeout`. 0 sets no limit.
   *
   * @default 1200000 (20 minutes)
   */
  readonly idleTimeout?: number | undefined

  /**
   * Milliseconds without a viewer in this process, from the start of the run or since the last viewer left. After that,
   * the run ends as `aborted`. 0 lets it continue without viewers.
   *
   * @default 0
   */
  readonly orphanTimeout?: number | undefined

  /**
   * Milliseconds for which the run can be watched after its end.
   *
   * @default 600000 (10 minutes)
   */
  readonly retention?: number | undefined

  /**
   * Milliseconds within which text is joined into one event, so that an answer costs fewer events. At most one event of text is
   * published per interval. Text is a string that does not look like JSON, or a flat object with a string `text`; it is joined
   * if all other properties and the event type are the same, and no other field is set. Any other item, and the first text
   * after a longer pause, is published immediately. 0 publishes each item on its own. At most 10000.
   *
   * @default 0
   */
  readonly coalesce?: number | undefined

  /**
   * The maximum number of events, counted as `events` in `runs.list()`. With another one, the run ends as `failed` with the code `too_large`; earlier events are
   * never dropped, so that every viewer receives the whole run.
   *
   * @default 50000
   */
  readonly maxEvents?: number | undefined

  /**
   * The maximum size of all events in bytes: their text, and 256 for each event. Exceeding it has the same effect as
   * `maxEvents`.
   *
   * @default 16777216
   */
  readonly maxBytes?: number | undefined
}

export type RunSettings = Resolved<SseRunOptions, 'owner' | 'onEnd'>

const RUN: RunSettings = {
  owner: undefined,
  onEnd: undefined,
  timeout: 60 * 60 * 1_000,
  // Longer than the time limits of `fastify-sse-emitter/llm`, so that a request of a model fails with its own code.
  idleTimeout: 20 * 60 * 1_000,
  orphanTimeout: 0,
  retention: 10 * 60 * 1_000,
  coalesce: 0,
  maxEvents: 50_000,
  maxBytes: 16 * 1024 * 1024
}

const RUN_CHECKS: Checks<RunSettings> = {
  owner: nonEmptyString,
  onEnd: anyFunction,
  timeout: integer(0, 'milliseconds', 'sets no limit'),
  idleTimeout: integer(0, 'milliseconds', 'sets no limit'),
  orphanTimeout: integer(0, 'milliseconds', 'sets no limit'),
  retention: integer(1, 'milliseconds'),
  coalesce: integer(0, 'milliseconds', 'joins nothing', 10_000),
  maxEvents: integer(1, 'events'),
  maxBytes: integer(1024, 'bytes')
}

/** @throws SSE_ERR_OPTION */
export function resolveRunOptions (options: SseRunOptions | undefined): RunSettings {
  return resolveOptions('runs.start()', options, RUN, RUN_CHECKS)
}

type LookupSettings = Resolved<SseRunLookup, 'owner'>

/** @param method the method that the options are passed to, for messages. @throws SSE_ERR_OPTION */
export function resolveRunLookup (method: string, options: SseRunLookup | undefined): LookupSettings {
  return resolveOptions<LookupSettings>(method, options, { owner: undefined }, { owner: nonEmptyString })
}

/** The options of `run.watch()`. */
export interface SseWatchOptions {
  /**
   * Whether the client receives the events `sse-ready`, `sse-gap` and `sse-reset`, as in `emitter.subscribe()`.
   *
   * @default true
   */
  readonly markers?: boolean | undefined
}

const WATCH: Resolved<SseWatchOptions> = { markers: true }

/** @throws SSE_ERR_OPTION */
export function resolveWatchOptions (options: SseWatchOptions | undefined): Resolved<SseWatchOptions> {
  return resolveOptions('run.watch()', options, WATCH, { markers: boolean })
}

/** The options of `run.read()`. */
export interface SseReadOptions {
  /**
   * The id of the last known event.
   *
   * @default undefined (the beginning of the run)
   */
  readonly after?: string | undefined

  /** Aborts the reading. */
  readonly signal?: AbortSignal | undefined
}

type ReadSettings = Resolved<SseReadOptions, 'after' | 'signal'>

/** @throws SSE_ERR_OPTION */
export function resolveReadOptions (options: SseReadOptions | undefined): ReadSettings {
  return resolveOptions<ReadSettings>('run.read()', options, { after: undefined, signal: undefined }, { after: string, signal: abortSignal })
}
