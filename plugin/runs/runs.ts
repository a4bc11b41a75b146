import type { FastifyBaseLogger } from 'fastify'
import { describe } from '../base/option-checks.ts'
import type { SseBroker } from '../channels/broker.ts'
import { SSE_ERR_OPTION, SSE_ERR_RUN_FORGOTTEN, SSE_ERR_RUNS_CLOSED, SSE_ERR_RUNS_FULL } from '../base/errors.ts'
import type { SsePayload } from '../wire/entry.ts'
import type { SseFields } from '../wire/event.ts'
import { RunExecution, type RunExecutionOwner } from './run-execution.ts'
import { ProducerHeartbeat, ProducerWatch } from './liveness.ts'
import { Run, type SseRun } from './run.ts'
import { beginRun, endRun, inspectRun, runChannel } from './run-log.ts'
import { resolveRunOptions, type RunSettings, type SseRunOptions } from './options.ts'
import type { SseSequence } from '../stream/sse-emitter.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'

/**
 * What a run is of: called once, when it begins. Each item that it yields is an event of the run. What a generator
 * returns is the data of the event `done`; of another iterable that is `{}`.
 *
 * @param context.signal aborted when the run was ended by other hands; what still comes is dropped
 */
export type SseRunProducer<Events = Record<string, unknown>> =
  (context: { readonly id: string, readonly signal: AbortSignal }) => SseSequence<Events> | Promise<SseSequence<Events>>

export interface SseRunStarted {
  readonly run: SseRun
  /** Whether there was a run of this id, and this is it. */
  readonly repeated: boolean
}

/** What `app.sse.runs` tells of a run. */
export interface SseRunInfo {
  readonly id: string
  readonly state: SseRun['state']
  readonly viewers: number
  /** Events that its producer has yielded. */
  readonly events: number
  /** Milliseconds since it was begun. */
  readonly age: number
}

/**
 * All runs: a generation, an export, a job, which belongs to an id and not to a connection. A run is kept in the channel
 * `run:<id>`, which is its own.
 */
export interface SseRuns {
  /** How many runs of this process there are, those included that have ended and can still be watched. */
  readonly size: number

  /** A snapshot of them. */
  list (): SseRunInfo[]

  /**
   * Starts a run, unless there is one of this id, whatever its state and wherever: then that is given.
   *
   * @typeParam Events the data of each type of event
   * @param id 1 to 200 characters, no control characters. Whoever knows it may watch: make it hard to guess, or check
   *   who asks
   * @throws
   *   - SSE_ERR_RUN_ID, SSE_ERR_OPTION
   *   - SSE_ERR_RUNS_FULL (503) where the plugin's option `maxRuns` is reached
   *   - SSE_ERR_RUNS_CLOSED (503) once `app.close()` was called
   *   - SSE_ERR_RUN_FORGOTTEN (410) if there was a run of this id less than ten minutes ago that is not kept any more
   *   - what the broker rejects with
   */
  start<Events = Record<string, unknown>> (id: string, producer: SseRunProducer<Events>, options?: SseRunOptions): Promise<SseRunStarted>

  /** The run of an id; undefined where there is none, or not all of it any more. @throws SSE_ERR_RUN_ID */
  get (id: string): Promise<SseRun | undefined>

  /** Ends a run as `aborted`. @returns whether there is one of this id, also one that had ended. @throws SSE_ERR_RUN_ID */
  cancel (id: string): Promise<boolean>
}

/** What runs need of their application. */
export interface RunsSettings {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
  readonly log: FastifyBaseLogger
  readonly maxRuns: number
  readonly payload: (data: unknown, fields?: SseFields) => SsePayload
}

const CANCELLED = JSON.stringify({ reason: 'cancelled' })
/** Milliseconds for which the events of a run are kept that was ended by a process that does not know its options. */
const KEPT = 30 * 60 * 1_000

/** A run whose producer is here. */
interface Local {
  readonly run: Run
  readonly production: RunExecution
}

/** See {@link SseRuns}. */
export class Runs implements SseRuns, RunExecutionOwner {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
  readonly log: FastifyBaseLogger
  readonly payload: (data: unknown, fields?: SseFields) => SsePayload
  readonly #maxRuns: number
  readonly #pulse: ProducerHeartbeat
  readonly #local = new Map<string, Local>()
  readonly #starting = new Map<string, Promise<{ run: Run, repeated: boolean }>>()
  #closed = false

  constructor ({ broker, wheel, log, payload, maxRuns }: RunsSettings) {
    this.broker = broker
    this.wheel = wheel
    this.log = log
    this.payload = payload
    this.#maxRuns = maxRuns
    this.#pulse = new ProducerHeartbeat(this, () => this.size > 0)
  }

  get size (): number {
    return this.#local.size
  }

  list (): SseRunInfo[] {
    return Array.from(this.#local.values(), ({ run: { id, state, viewers }, production: { events, age } }) => ({ id, state, viewers, events, age }))
  }

  async start (id: string, producer: SseRunProducer, options?: SseRunOptions): Promise<SseRunStarted> {
    const channel = runChannel(id)
    const settings = resolveRunOptions(options)
    if (typeof producer !== 'function') throw new SSE_ERR_OPTION(`The producer of a run must be a function that returns an iterable; received ${describe(producer)}`)
    const known = this.#known(id)
    if (known !== undefined) return { run: await known, repeated: true }
    if (this.#closed) throw new SSE_ERR_RUNS_CLOSED()
    if (this.#maxRuns > 0 && this.size + this.#starting.size >= this.#maxRuns) throw Object.assign(new SSE_ERR_RUNS_FULL(), { headers: { 'retry-after': '60' } })
    const starting = this.#start(id, channel, producer, settings)
    this.#starting.set(id, starting)
    try {
      return await starting
    } finally {
      this.#starting.delete(id)
    }
  }

  async #start (id: string, channel: string, producer: SseRunProducer, settings: RunSettings): Promise<{ run: Run, repeated: boolean }> {
    const beginning = await beginRun(this.broker, channel, this.#pulse.name)
    const run = beginning === 'exists' ? await this.#find(id) : undefined
    if (run !== undefined) return { run, repeated: true }
    if (beginning !== 'begun') throw new SSE_ERR_RUN_FORGOTTEN()
    return { run: this.#produce(id, producer, settings), repeated: false }
  }

  #produce (id: string, producer: SseRunProducer, settings: RunSettings): Run {
    const run: Run = new Run(id, this.broker, async () => { await production.end('aborted', CANCELLED) })
    const production: RunExecution = new RunExecution(run, this, settings)
    this.#local.set(id, { run, production })
    this.#pulse.begin()
    production.produce(signal => producer({ id, signal }))
    return run
  }

  async get (id: string): Promise<SseRun | undefined> {
    runChannel(id)
    return await (this.#known(id) ?? this.#find(id))
  }

  async cancel (id: string): Promise<boolean> {
    const run = await this.get(id)
    await run?.cancel()
    return run !== undefined
  }

  /** A run that has its producer here, or is about to. */
  #known (id: string): Run | Promise<Run> | undefined {
    return this.#local.get(id)?.run ?? this.#starting.get(id)?.then(({ run }) => run)
  }

  /** A run that another process has begun, or this one before it was forgotten. */
  async #find (id: string): Promise<Run | undefined> {
    const channel = runChannel(id)
    const found = await inspectRun(this.broker, channel)
    if (found === undefined) return undefined
    const run = new Run(id, this.broker, async () => await endRun(this.broker, channel, 'aborted', CANCELLED, KEPT), found.end)
    if (found.process !== undefined && found.end === undefined) this.#watchOver(run, found.process)
    return run
  }

  /** While a run of another process is viewed here, its end is sure to come. */
  #watchOver (run: Run, process: string): void {
    const vigil = new ProducerWatch(this, process, async () => {
      await endRun(this.broker, run.channel, 'failed', PRODUCER_LOST, KEPT)
    })
    run.onViewed = () => vigil.begin()
    run.onOrphaned = () => vigil.stop()
  }

  forget ({ id }: Run): void {
    this.#local.delete(id)
  }

  /** Ends all runs of this process, because it stops. @returns when that is in their logs */
  async close (): Promise<void> {
    this.#closed = true
    await Promise.all(Array.from(this.#local.values(), async ({ production }) => await production.end('failed', SHUT_DOWN)))
    this.#pulse.stop()
  }
}

const PRODUCER_LOST = JSON.stringify({ code: 'producer_lost', message: 'The server that gave it is gone', retryable: true })
const SHUT_DOWN = JSON.stringify({ code: 'shutdown', message: 'The server has stopped', retryable: true })
