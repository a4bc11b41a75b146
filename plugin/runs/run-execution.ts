import { createAbortController } from '../base/abort-controller.ts'
import type { FastifyBaseLogger } from 'fastify'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription } from '../channels/broker.ts'
import { SSE_ERR_EVENT, SSE_ERR_RUN_OVER } from '../base/errors.ts'
import { SseEntry, type SsePayload } from '../wire/entry.ts'
import type { SseFields } from '../wire/event.ts'
import { failureOf, type SseFailure } from '../base/failure.ts'
import { writeLog, type LogFields } from '../base/logging.ts'
import { endLog, isEnd, isEndType, KEEP_ALL, summarizeLog, type SseRunEnd } from './run-log.ts'
import type { RunState } from './run-state.ts'
import type { RunSettings } from './options.ts'
import { sendSource } from '../stream/source.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'

/** Items published before the event loop can do other work, in case the producer never waits. */
const ITEMS_PER_TURN = 128

/** Attempts to publish the terminal event while the broker fails, and the milliseconds between them. */
const END_ATTEMPTS = 60
const END_RETRY_DELAY = 1_000

const TIMED_OUT: SseFailure = { code: 'timeout', message: 'The operation took too long', retryable: true }
const IDLE: SseFailure = { code: 'idle_timeout', message: 'The operation stopped responding', retryable: true }
const TOO_LARGE: SseFailure = { code: 'too_large', message: 'The result is too large', retryable: false }
const ORPHANED = JSON.stringify({ reason: 'orphaned' })

export interface RunExecutionOwner {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
  readonly log: FastifyBaseLogger
  /** Serializes an item of a producer. @throws SSE_ERR_EVENT, SSE_ERR_SERIALIZE */
  toPayload (data: unknown, fields?: SseFields): SsePayload
  /** Called when the run has ended and its option `retention` has passed. */
  forget (run: RunState): void
}

/**
 * Executes the producer of a run and publishes its events. After the terminal event, it waits until `retention` has
 * passed. It subscribes to the log of the run, because another process can end the run.
 */
export class RunExecution extends WheelTimer implements SseBrokerListener {
  readonly #run: RunState
  readonly #owner: RunExecutionOwner
  readonly #settings: RunSettings
  readonly #controller = createAbortController()
  readonly #startedAt = performance.now()
  #subscription: Promise<SseBrokerSubscription> | undefined
  #lastItemAt = performance.now()
  #forgetAt = Infinity
  #events = 0
  #bytes = 0
  /** Whether the producer has to be aborted if the run ends. */
  #isProducing = true
  /** Set once the terminal event is being published, or was published by another process. */
  #ending: Promise<void> | undefined

  constructor (run: RunState, owner: RunExecutionOwner, settings: RunSettings) {
    super()
    this.#run = run
    this.#owner = owner
    this.#settings = settings
    run.onOrphaned = () => this.#schedule()
  }

  /** The number of events yielded by the producer. */
  get events (): number {
    return this.#events
  }

  /** Milliseconds since the start of the run. */
  get age (): number {
    return performance.now() - this.#startedAt
  }

  /** Publishes the items of the producer and the terminal event. Never rejects. */
  async execute (producer: (signal: AbortSignal) => unknown): Promise<void> {
    const { broker } = this.#owner
    const { signal } = this.#controller
    this.#schedule()
    try {
      this.#subscription = broker.subscribe(this.#run.channel, this)
      await this.#subscription
      const report = (error: unknown): void => this.#log('error', { err: error }, 'the producer failed after its run had ended')
      const result = await sendSource(producer, (data, fields) => this.#publishItem(data, fields), signal, report)
      this.#isProducing = false
      await this.end('done', this.#owner.toPayload(result ?? {}).data!)
    } catch (error) {
      this.#isProducing = false
      // After the run has ended, the error usually is the reason of the aborted signal.
      if (this.#ending === undefined) this.#log('error', { err: error }, 'run failed')
      await this.end('failed', JSON.stringify(failureOf(error)))
    }
  }

  /** Ends the run, unless it has ended. @returns a promise that resolves when the terminal event is in the log */
  async end (type: SseRunEnd, data: string): Promise<void> {
    this.#ending ??= this.#publishEnd(type, data)
    this.#schedule()
    await this.#ending
  }

  async #publishEnd (type: SseRunEnd, data: string): Promise<void> {
    this.#abortProducer(type)
    for (let attempt = 1; this.#run.end === undefined; attempt++) {
      try {
        await endLog(this.#owner.broker, this.#run.channel, type, data, Math.ceil(this.age) + this.#settings.retention)
        return
      } catch (error) {
        if (attempt < END_ATTEMPTS && (error as { code?: unknown }).code !== 'SSE_ERR_BROKER_CLOSED') {
          await new Promise(resolve => { setTimeout(resolve, END_RETRY_DELAY).unref() })
          continue
        }
        this.#log('error', { err: error }, 'failed to publish the terminal event of a run')
        this.#startRetention()
        return
      }
    }
  }

  #publishItem (data: unknown, fields: SseFields | undefined): Promise<void> {
    if (isEndType(fields?.event)) throw new SSE_ERR_EVENT(`Event type \`${fields.event}\` is reserved for the event that ends a run; return a value to end it as done, or throw to end it as failed`)
    const payload = this.#owner.toPayload(data, fields)
    this.#lastItemAt = performance.now()
    this.#events++
    this.#bytes += new SseEntry('', payload).bytes
    const { maxEvents, maxBytes } = this.#settings
    if (this.#events > maxEvents || this.#bytes > maxBytes) return this.#failAtLimit(TOO_LARGE)
    return this.#publish(payload)
  }

  async #publish (payload: SsePayload): Promise<void> {
    await this.#owner.broker.publish(this.#run.channel, payload, { history: KEEP_ALL })
    if (this.#events % ITEMS_PER_TURN === 0) await new Promise(resolve => { setImmediate(resolve) })
  }

  onEntry (entry: SseEntry): void {
    if (!isEnd(entry)) return
    this.#run.end = entry
    this.#ending ??= Promise.resolve()
    this.#abortProducer(entry.event!)
    this.#startRetention()
  }

  onBreak (): void {
    // The terminal event may be among the entries that were missed.
    summarizeLog(this.#owner.broker, this.#run.channel).then(log => {
      if (log?.end !== undefined && this.#run.end === undefined) this.onEntry(log.end)
    }, error => this.#log('error', { err: error }, 'failed to read the log of a run'))
  }

  #abortProducer (end: string): void {
    if (this.#isProducing) this.#controller.abort(new SSE_ERR_RUN_OVER(end))
  }

  #startRetention (): void {
    this.#subscription?.then(subscription => subscription.unsubscribe(), () => {})
    this.#forgetAt = performance.now() + this.#settings.retention
    this.#schedule()
  }

  fire (now: number): void {
    if (this.#ending !== undefined) this.#owner.forget(this.#run)
    else if (now >= this.#timeoutAt) this.#failAtLimit(TIMED_OUT)
    else if (now >= this.#idleTimeoutAt) this.#failAtLimit(IDLE)
    else if (now >= this.#orphanTimeoutAt) this.end('aborted', ORPHANED)
    else this.#schedule()
  }

  async #failAtLimit (failure: SseFailure): Promise<void> {
    this.#log('warn', { failure }, 'run exceeded a limit or timed out')
    await this.end('failed', JSON.stringify(failure))
  }

  #log (level: 'error' | 'warn', fields: LogFields, message: string): void {
    writeLog(this.#owner.log, level, { ...fields, run: this.#run.id }, message)
  }

  #schedule (): void {
    const dueAt = this.#ending === undefined ? Math.min(this.#timeoutAt, this.#idleTimeoutAt, this.#orphanTimeoutAt) : this.#forgetAt
    this.#owner.wheel.set(this, dueAt)
  }

  get #timeoutAt (): number {
    return deadline(this.#startedAt, this.#settings.timeout)
  }

  get #idleTimeoutAt (): number {
    return deadline(this.#lastItemAt, this.#settings.idleTimeout)
  }

  get #orphanTimeoutAt (): number {
    return deadline(this.#run.orphanedSince, this.#settings.orphanTimeout)
  }
}

/** Adds a timeout to a time. A timeout of 0 milliseconds is disabled. */
function deadline (time: number, timeout: number): number {
  return timeout > 0 ? time + timeout : Infinity
}
