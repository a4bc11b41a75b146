import type { FastifyBaseLogger } from 'fastify'
import { bindContext } from '../base/async-context.ts'
import { notify } from '../base/callbacks.ts'
import { writeLog } from '../base/logging.ts'
import { describe } from '../base/option-checks.ts'
import type { SseBroker } from '../channels/broker.ts'
import { SSE_ERR_OPTION, SSE_ERR_RUN_FORGOTTEN, SSE_ERR_RUNS_CLOSED, SSE_ERR_RUNS_FULL } from '../base/errors.ts'
import type { SseEntry, SsePayload } from '../wire/entry.ts'
import type { SseFields } from '../wire/event.ts'
import { RunExecution, type RunExecutionOwner } from './run-execution.ts'
import { ProducerHeartbeat } from './producer-liveness.ts'
import { RemoteRuns } from './remote-runs.ts'
import { withResponseTimeout } from './response-timeout.ts'
import { Run } from './run.ts'
import { runChannel } from './run-log.ts'
import { resultOf } from './run-result.ts'
import { RunState } from './run-state.ts'
import { resolveRunLookup, resolveRunOptions, type RunSettings, type SseRunLookup, type SseRunOptions } from './options.ts'
import type { SseRunInfo, SseRunProducer, SseRuns } from './runs.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'

const CANCELLED = JSON.stringify({ reason: 'cancelled' })
const SHUTDOWN = JSON.stringify({ code: 'shutdown', message: 'The server was shut down', retryable: true })

export interface RunRegistryOptions {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
  readonly log: FastifyBaseLogger
  /** 0 sets no limit. */
  readonly maxRuns: number
  /** 0 sets no limit. */
  readonly maxRunBytes: number
  readonly toPayload: (data: unknown, fields?: SseFields) => SsePayload
}

/** A run whose producer is executed in this process. */
interface LocalRun {
  readonly run: Run
  readonly execution: RunExecution
  /** Resolves when its producer and its option `onEnd` have ended. */
  executed: Promise<void>
}

interface Started {
  readonly run: Run
  readonly repeated: boolean
}

/** Starts the runs of this process, and finds those of other processes with the same broker. */
export class RunRegistry implements SseRuns, RunExecutionOwner {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
  readonly log: FastifyBaseLogger
  readonly toPayload: (data: unknown, fields?: SseFields) => SsePayload
  readonly #maxRuns: number
  readonly #maxRunBytes: number
  /** Bytes of the logs of all runs of this process. */
  #bytes = 0
  readonly #heartbeat: ProducerHeartbeat
  readonly #remote: RemoteRuns
  /** By channel, as are the runs that are being started. */
  readonly #local = new Map<string, LocalRun>()
  readonly #starting = new Map<string, Promise<Started>>()
  #isClosed = false

  constructor ({ broker, wheel, log, maxRuns, maxRunBytes, toPayload }: RunRegistryOptions) {
    this.broker = broker
    this.wheel = wheel
    this.log = log
    this.toPayload = toPayload
    this.#maxRuns = maxRuns
    this.#maxRunBytes = maxRunBytes
    this.#heartbeat = new ProducerHeartbeat(this, () => this.size > 0)
    this.#remote = new RemoteRuns(this)
  }

  get processId (): string | undefined {
    return this.#heartbeat.processId
  }

  get size (): number {
    return this.#local.size
  }

  list (): SseRunInfo[] {
    return Array.from(this.#local.values(), ({ run: { id, owner, state, viewers }, execution: { events, age } }) => ({ id, owner, state, viewers, events, age }))
  }

  async start (id: string, producer: SseRunProducer, options?: SseRunOptions): Promise<Started> {
    const settings = resolveRunOptions(options)
    const channel = runChannel(id, settings.owner)
    if (typeof producer !== 'function') throw new SSE_ERR_OPTION('The producer of a run must be a function that returns an iterable', `received ${describe(producer)}`)
    const existing = this.#findLocal(channel)
    if (existing !== undefined) return { run: await withResponseTimeout(existing), repeated: true }
    if (this.#isClosed) throw new SSE_ERR_RUNS_CLOSED()
    if (this.#isFull) throw Object.assign(new SSE_ERR_RUNS_FULL(), { headers: { 'retry-after': '60' } })
    const execution = new RunExecution(new RunState(id, settings.owner), this, settings)
    const starting = this.#start(execution, producer, settings).finally(() => this.#starting.delete(channel))
    this.#starting.set(channel, starting)
    try {
      return await withResponseTimeout(starting)
    } catch (error) {
      execution.abandon()
      throw error
    }
  }

  get #isFull (): boolean {
    return (this.#maxRuns > 0 && this.size + this.#starting.size >= this.#maxRuns) || (this.#maxRunBytes > 0 && this.#bytes >= this.#maxRunBytes)
  }

  async #start (execution: RunExecution, producer: SseRunProducer, settings: RunSettings): Promise<Started> {
    const { run: { id, owner, channel } } = execution
    // The idempotency key of the beginning is not enough, because a run can outlive it.
    const { entries } = await this.broker.replay(channel, undefined, 1)
    if (entries.length === 0 && await execution.begin()) return { run: this.#execute(execution, producer, settings), repeated: false }
    const run = await this.#remote.find(id, owner)
    if (run === undefined) throw new SSE_ERR_RUN_FORGOTTEN()
    return { run, repeated: true }
  }

  /** @throws SSE_ERR_RUNS_CLOSED */
  #execute (execution: RunExecution, producer: SseRunProducer, { onEnd }: RunSettings): Run {
    const { run: state } = execution
    const run = new Run(state, this.broker, () => execution.end('aborted', CANCELLED))
    const local: LocalRun = { run, execution, executed: Promise.resolve() }
    this.#local.set(state.channel, local)
    if (this.#isClosed) {
      execution.end('failed', SHUTDOWN)
      throw new SSE_ERR_RUNS_CLOSED()
    }
    this.#heartbeat.start()
    if (onEnd !== undefined) execution.onEnd = this.#notifierOf(run, onEnd)
    local.executed = execution.execute(signal => producer({ id: state.id, signal }))
    return run
  }

  /** Returns a function that calls the option `onEnd` of a run. */
  #notifierOf (run: Run, onEnd: NonNullable<SseRunOptions['onEnd']>): (end: SseEntry, generation: string) => Promise<void> | undefined {
    const callback = bindContext(onEnd)
    return (end, generation) => notify(callback, [resultOf(run, end, this.broker, generation)], error => {
      writeLog(this.log, 'error', { err: error, run: run.id, owner: run.owner }, 'the onEnd callback of a run failed')
    })
  }

  async get (id: string, options?: SseRunLookup): Promise<Run | undefined> {
    return await this.#get(id, resolveRunLookup('runs.get()', options))
  }

  async cancel (id: string, options?: SseRunLookup): Promise<boolean> {
    const run = await this.#get(id, resolveRunLookup('runs.cancel()', options))
    await run?.cancel()
    return run !== undefined
  }

  async #get (id: string, { owner }: SseRunLookup): Promise<Run | undefined> {
    return await withResponseTimeout(this.#find(id, owner))
  }

  async #find (id: string, owner: string | undefined): Promise<Run | undefined> {
    // If the run can't be started, another process may have one with this id nevertheless.
    return await this.#findLocal(runChannel(id, owner))?.catch(() => undefined) ?? await this.#remote.find(id, owner)
  }

  /** Finds a run that is executed by this process, or is being started. */
  #findLocal (channel: string): Promise<Run> | undefined {
    const local = this.#local.get(channel)
    return local === undefined ? this.#starting.get(channel)?.then(({ run }) => run) : Promise.resolve(local.run)
  }

  reserve (bytes: number): boolean {
    if (this.#maxRunBytes > 0 && this.#bytes + bytes > this.#maxRunBytes) return false
    this.#bytes += bytes
    return true
  }

  forget (state: RunState, bytes: number): void {
    this.#bytes -= bytes
    // A run that could not be started does not count, and another one may have its id.
    if (this.#local.get(state.channel)?.execution.run === state) this.#local.delete(state.channel)
  }

  /**
   * Ends all runs of this process, and those that are being started.
   *
   * @returns a promise that resolves when their terminal events are in the logs
   */
  async close (): Promise<void> {
    this.#isClosed = true
    const endAll = () => Promise.all(Array.from(this.#local.values(), ({ execution }) => execution.end('failed', SHUTDOWN)))
    await Promise.all([endAll(), Promise.allSettled(this.#starting.values())])
    await endAll()
    this.#heartbeat.stop()
  }

  /** Resolves when the producers of all runs have ended, including what they do when they are aborted, and `onEnd` callbacks. */
  async producersEnded (): Promise<void> {
    await Promise.all(Array.from(this.#local.values(), ({ executed }) => executed))
  }
}
