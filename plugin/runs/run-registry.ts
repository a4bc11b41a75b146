import type { FastifyBaseLogger } from 'fastify'
import { describe } from '../base/option-checks.ts'
import type { SseBroker } from '../channels/broker.ts'
import { SSE_ERR_OPTION, SSE_ERR_RUN_FORGOTTEN, SSE_ERR_RUNS_CLOSED, SSE_ERR_RUNS_FULL } from '../base/errors.ts'
import type { SsePayload } from '../wire/entry.ts'
import type { SseFields } from '../wire/event.ts'
import { RunExecution, type RunExecutionOwner } from './run-execution.ts'
import { ProducerHeartbeat, ProducerWatch } from './producer-liveness.ts'
import { Run } from './run.ts'
import { endLog, runChannel, startLog, summarizeLog } from './run-log.ts'
import { RunState } from './run-state.ts'
import { resolveRunOptions, type RunSettings, type SseRunOptions } from './options.ts'
import type { SseRunInfo, SseRunProducer, SseRuns } from './runs.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'

const CANCELLED = JSON.stringify({ reason: 'cancelled' })
const PRODUCER_LOST = JSON.stringify({ code: 'producer_lost', message: 'The server stopped unexpectedly', retryable: true })
const SHUTDOWN = JSON.stringify({ code: 'shutdown', message: 'The server was shut down', retryable: true })

/** Milliseconds for which a log is kept if the run was ended by a process that doesn't know the run's options. */
const REMOTE_RUN_RETENTION = 30 * 60 * 1_000

export interface RunRegistryOptions {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
  readonly log: FastifyBaseLogger
  /** 0 sets no limit. */
  readonly maxRuns: number
  readonly toPayload: (data: unknown, fields?: SseFields) => SsePayload
}

/** A run whose producer is executed in this process. */
interface LocalRun {
  readonly run: Run
  readonly execution: RunExecution
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
  readonly #heartbeat: ProducerHeartbeat
  readonly #local = new Map<string, LocalRun>()
  readonly #starting = new Map<string, Promise<Started>>()
  #isClosed = false

  constructor ({ broker, wheel, log, maxRuns, toPayload }: RunRegistryOptions) {
    this.broker = broker
    this.wheel = wheel
    this.log = log
    this.toPayload = toPayload
    this.#maxRuns = maxRuns
    this.#heartbeat = new ProducerHeartbeat(this, () => this.size > 0)
  }

  get size (): number {
    return this.#local.size
  }

  list (): SseRunInfo[] {
    return Array.from(this.#local.values(), ({ run: { id, state, viewers }, execution: { events, age } }) => ({ id, state, viewers, events, age }))
  }

  async start (id: string, producer: SseRunProducer, options?: SseRunOptions): Promise<Started> {
    const channel = runChannel(id)
    const settings = resolveRunOptions(options)
    if (typeof producer !== 'function') throw new SSE_ERR_OPTION(`The producer of a run must be a function that returns an iterable; received ${describe(producer)}`)
    const existing = this.#findLocal(id)
    if (existing !== undefined) return { run: await existing, repeated: true }
    if (this.#isClosed) throw new SSE_ERR_RUNS_CLOSED()
    if (this.#maxRuns > 0 && this.size + this.#starting.size >= this.#maxRuns) throw Object.assign(new SSE_ERR_RUNS_FULL(), { headers: { 'retry-after': '60' } })
    const starting = this.#start(id, channel, producer, settings)
    this.#starting.set(id, starting)
    try {
      return await starting
    } finally {
      this.#starting.delete(id)
    }
  }

  async #start (id: string, channel: string, producer: SseRunProducer, settings: RunSettings): Promise<Started> {
    const result = await startLog(this.broker, channel, this.#heartbeat.processId)
    if (result === 'started') return { run: this.#execute(id, producer, settings), repeated: false }
    const run = result === 'exists' ? await this.#findInLog(id) : undefined
    if (run === undefined) throw new SSE_ERR_RUN_FORGOTTEN()
    return { run, repeated: true }
  }

  #execute (id: string, producer: SseRunProducer, settings: RunSettings): Run {
    const state = new RunState(id)
    const execution = new RunExecution(state, this, settings)
    const run = new Run(state, this.broker, async () => await execution.end('aborted', CANCELLED))
    this.#local.set(id, { run, execution })
    this.#heartbeat.start()
    execution.execute(signal => producer({ id, signal }))
    return run
  }

  async get (id: string): Promise<Run | undefined> {
    // Throws if the id is invalid.
    runChannel(id)
    return await (this.#findLocal(id) ?? this.#findInLog(id))
  }

  async cancel (id: string): Promise<boolean> {
    const run = await this.get(id)
    await run?.cancel()
    return run !== undefined
  }

  /** Finds a run that is executed by this process, or is being started. */
  #findLocal (id: string): Run | Promise<Run> | undefined {
    return this.#local.get(id)?.run ?? this.#starting.get(id)?.then(({ run }) => run)
  }

  /** Finds a run that another process started, or one that this process has forgotten. */
  async #findInLog (id: string): Promise<Run | undefined> {
    const channel = runChannel(id)
    const summary = await summarizeLog(this.broker, channel)
    if (summary === undefined) return undefined
    const { processId, end } = summary
    const state = new RunState(id, end)
    if (processId !== undefined && end === undefined) this.#watchProducer(state, processId)
    return new Run(state, this.broker, async () => await endLog(this.broker, channel, 'aborted', CANCELLED, REMOTE_RUN_RETENTION))
  }

  /** Ends a run of another process if that process dies while the run has viewers here. */
  #watchProducer (run: RunState, processId: string): void {
    const watch = new ProducerWatch(this, processId, async () => {
      await endLog(this.broker, run.channel, 'failed', PRODUCER_LOST, REMOTE_RUN_RETENTION)
    })
    run.onViewed = () => watch.start()
    run.onOrphaned = () => watch.stop()
  }

  forget ({ id }: RunState): void {
    this.#local.delete(id)
  }

  /** Ends all runs of this process. @returns a promise that resolves when their terminal events are in the logs */
  async close (): Promise<void> {
    this.#isClosed = true
    await Promise.all(Array.from(this.#local.values(), async ({ execution }) => await execution.end('failed', SHUTDOWN)))
    this.#heartbeat.stop()
  }
}
