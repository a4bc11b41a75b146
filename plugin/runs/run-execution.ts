import { randomUUID } from 'node:crypto'
import { createAbortController } from '../base/abort-controller.ts'
import type { FastifyBaseLogger } from 'fastify'
import { currentTime } from '../base/clock.ts'
import { Deferred } from '../base/deferred.ts'
import { nextTurn } from '../base/event-loop.ts'
import type { SseBroker } from '../channels/broker.ts'
import { SSE_ERR_EVENT, SSE_ERR_RUN_LOG_LOST, SSE_ERR_RUN_OVER } from '../base/errors.ts'
import type { SseEntry, SsePayload } from '../wire/entry.ts'
import type { SseFields } from '../wire/event.ts'
import { failureOf, isInstance, type SseFailure } from '../base/failure.ts'
import { writeLog, type LogFields } from '../base/logging.ts'
import { isEndType, type SseRunEnd } from './run-log.ts'
import { LOG_LOST, NOT_STARTED } from './failures.ts'
import { reportEnd, reportStart } from './reports.ts'
import { RunDeadlines } from './run-deadlines.ts'
import { RunLogWatch } from './run-log-watch.ts'
import { RunLogWriter } from './run-log-writer.ts'
import { RunSize, type RunBytes } from './run-size.ts'
import type { RunState } from './run-state.ts'
import type { RunSettings } from './options.ts'
import { sendSource, type SendItem } from '../stream/source.ts'
import { ITEMS_PER_TURN, TextCoalescer } from './text-coalescer.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'

/** Joined text is published even if its run has ended, like the terminal event after it. */
const NEVER = new AbortController().signal

export interface RunExecutionOwner extends RunBytes {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
  readonly log: FastifyBaseLogger
  /** The id of this process, for other processes with the same broker. */
  readonly processId: string | undefined
  /** Serializes an item of a producer. @throws SSE_ERR_EVENT, SSE_ERR_SERIALIZE */
  toPayload (data: unknown, fields?: SseFields): SsePayload
  /** Called when the run has ended and its option `retention` has passed. @param bytes what it has reserved */
  forget (run: RunState, bytes: number): void
}

/**
 * Executes the producer of a run and publishes its events. After the terminal event, it waits until `retention` has
 * passed. It watches the log of the run, because another process can end the run, and the broker can lose the log.
 */
export class RunExecution extends WheelTimer {
  readonly run: RunState
  /** Called with the terminal event once it is in the log, and the run's generation. Must not throw or reject. */
  onEnd = (_end: SseEntry, _generation: string): Promise<void> | undefined => undefined
  readonly #owner: RunExecutionOwner
  readonly #settings: RunSettings
  readonly #writer: RunLogWriter
  readonly #controller = createAbortController()
  readonly #watch: RunLogWatch
  readonly #deadlines: RunDeadlines
  readonly #size: RunSize
  readonly #coalescer: TextCoalescer | undefined
  #forgetAt = Infinity
  /** Whether the producer was called. It is not if the run ends before that. */
  #isStarted = false
  #onEndResult: Promise<void> | undefined
  /** Whether the producer has to be aborted if the run ends. */
  #isProducing = true
  /** Set once the terminal event is being published, or was published by another process. */
  #ending: Promise<void> | undefined
  /** Whether the caller of `begin` has given up. */
  #isAbandoned = false
  #isForgotten = false

  constructor (run: RunState, owner: RunExecutionOwner, settings: RunSettings) {
    super()
    this.run = run
    this.#owner = owner
    this.#settings = settings
    this.#watch = new RunLogWatch(owner.broker, run.channel, {
      onEnd: end => this.#setEnd(end),
      onBreak: () => { this.#checkLog().catch(error => this.#logReadFailure(error)) }
    })
    this.#deadlines = new RunDeadlines(run, settings)
    this.#size = new RunSize(settings, owner)
    if (settings.coalesce > 0) this.#coalescer = this.#createCoalescer(settings.coalesce)
    const beginning = { generation: randomUUID(), retention: settings.retention, processId: owner.processId }
    this.#writer = new RunLogWriter(owner.broker, run.channel, beginning, error => {
      this.#log('warn', { err: error }, 'the broker did not accept an event of a run, which will be published again')
    })
    run.onOrphaned = () => this.#schedule()
    run.onEndSeen = end => this.#setEnd(end)
  }

  #createCoalescer (interval: number): TextCoalescer {
    return new TextCoalescer(interval, {
      admit: (data, fields) => this.#admit(data, fields),
      publish: payload => this.#publish(payload, NEVER),
      fail: error => { this.#fail(error) }
    })
  }

  /** The number of events, without the terminal one. Text that was joined is one event. */
  get events (): number {
    return this.#size.events
  }

  /** Milliseconds since the start of the run. */
  get age (): number {
    return currentTime() - this.#deadlines.startedAt
  }

  /**
   * Subscribes to the log, so that no end of the run is missed, and begins it.
   *
   * @returns false if the log exists, or existed a short time ago
   */
  async begin (): Promise<boolean> {
    await this.#watch.subscribe()
    let begun = false
    try {
      if (!this.#isAbandoned) begun = await this.#writer.begin(() => this.#isAbandoned)
    } catch (error) {
      this.#isAbandoned = true
      this.#endIfBegun()
      throw error
    }
    if (begun) this.#onBegun()
    else this.#watch.unsubscribe()
    return begun
  }

  #onBegun (): void {
    this.#deadlines.startedAt = this.run.orphanedSince = currentTime()
    this.#watch.onBegun(this.#writer.beginId)
    if (this.#isAbandoned) this.end('failed', JSON.stringify(NOT_STARTED))
  }

  /** The broker may have begun the log although it has reported an error. */
  async #endIfBegun (): Promise<void> {
    try {
      if (await this.#writer.isBegun()) this.#onBegun()
      else this.#watch.unsubscribe()
    } catch (error) {
      this.#watch.unsubscribe()
      this.#logReadFailure(error)
    }
  }

  /** Gives up `begin`. If it succeeds nevertheless, the run fails without a call of its producer. */
  abandon (): void {
    this.#isAbandoned = true
  }

  /** Publishes the items of the producer and the terminal event. Never rejects. @returns when the producer and `onEnd` have ended */
  async execute (producer: (signal: AbortSignal) => unknown): Promise<void> {
    const { signal } = this.#controller
    const producerEnded = new Deferred<void>()
    this.#isStarted = !signal.aborted
    if (this.#isStarted) reportStart(this.run)
    this.#deadlines.idleSince = currentTime()
    this.#schedule()
    try {
      const report = (error: unknown): void => this.#log('error', { err: error }, 'the producer failed after its run had ended')
      const result = await sendSource(producer, this.#sendItem, signal, report, producerEnded.resolve)
      this.#isProducing = false
      await this.#coalescer?.flush()
      await this.end('done', this.#owner.toPayload(result ?? {}).data!)
    } catch (error) {
      this.#isProducing = false
      await this.#fail(error)
    }
    await producerEnded.promise
    await this.#onEndResult
  }

  async #fail (error: unknown): Promise<void> {
    const failure = isInstance(error, SSE_ERR_RUN_LOG_LOST) ? LOG_LOST : failureOf(error)
    const level = failure.retryable && failure !== LOG_LOST ? 'warn' : 'error'
    // After the run has ended, the error usually is the reason of the aborted signal.
    if (this.#ending === undefined) this.#log(level, { err: error }, 'run failed')
    await this.end('failed', JSON.stringify(failure))
  }

  /** Ends the run, unless it has ended. @returns a promise that resolves when the terminal event is in the log */
  async end (type: SseRunEnd, data: string): Promise<void> {
    if (this.#ending === undefined) {
      this.#ending = this.#publishEnd({ event: type, data })
      this.#abortProducer(type)
      this.#startRetention()
    }
    await this.#ending
  }

  async #publishEnd (payload: SsePayload): Promise<void> {
    if (this.#coalescer !== undefined) await this.#coalescer.flushBeforeEnd()
    try {
      this.#setEnd(await this.#writer.end(payload, () => Math.ceil(this.age) + this.#settings.retention))
    } catch (error) {
      this.#log('error', { err: error }, 'failed to publish the terminal event of a run')
    }
  }

  readonly #sendItem: SendItem = (data, fields) => {
    if (this.#coalescer !== undefined) {
      this.#deadlines.itemYielded()
      return this.#coalescer.send(data, fields)
    }
    const payload = this.#admit(data, fields)
    return payload && this.#publish(payload, this.#controller.signal)
  }

  /** Serializes an item and counts it. @returns undefined if it exceeds a limit, which ends the run */
  #admit (data: unknown, fields: SseFields | undefined): SsePayload | undefined {
    if (isEndType(fields?.event)) throw new SSE_ERR_EVENT(`Event type \`${fields.event}\` is reserved for the event that ends a run; return a value to end it as done, or throw to end it as failed`)
    const payload = this.#owner.toPayload(data, fields)
    const failure = this.#size.add(payload)
    if (failure === undefined) return payload
    this.#failAtLimit(failure)
    return undefined
  }

  /** @param signal ends the waiting for a broker that is unavailable */
  async #publish (payload: SsePayload, signal: AbortSignal): Promise<void> {
    this.#deadlines.idleSince = undefined
    const end = await this.#writer.append(payload, signal)
    this.#deadlines.idleSince = currentTime()
    if (end !== undefined) this.#setEnd(end)
    if (this.events % ITEMS_PER_TURN === 0) await nextTurn()
  }

  /** Looks for the terminal event, and for losses. */
  async #checkLog (): Promise<void> {
    const end = await this.#writer.findEnd().catch(error => {
      if (!isInstance(error, SSE_ERR_RUN_LOG_LOST)) throw error
      if (this.#ending === undefined) this.#endLost(error)
    })
    if (end !== undefined) this.#setEnd(end)
    // It was acknowledged before, so it was lost.
    else if (this.run.end !== undefined) this.#publishEnd({ event: this.run.end.event, data: this.run.end.data })
  }

  #endLost (error: unknown): void {
    this.#log('error', { err: error }, 'run failed')
    this.end('failed', JSON.stringify(LOG_LOST))
  }

  #logReadFailure (error: unknown): void {
    this.#log('error', { err: error }, 'failed to read the log of a run')
  }

  #setEnd (end: SseEntry): void {
    const isFirst = this.run.end === undefined
    this.run.end = end
    this.#ending ??= Promise.resolve()
    this.#coalescer?.discard()
    this.#abortProducer(end.event!)
    if (!isFirst) return
    this.#startRetention()
    if (!this.#isStarted) return
    reportEnd(this.run, { events: this.events, duration: this.age }, end)
    this.#onEndResult = this.onEnd(end, this.#writer.generation)
  }

  #abortProducer (end: string): void {
    if (this.#isProducing) this.#controller.abort(new SSE_ERR_RUN_OVER(end))
  }

  #startRetention (): void {
    // Its terminal event may be published later, after an outage.
    if (this.#isForgotten) return
    this.#forgetAt = currentTime() + this.#settings.retention
    this.#schedule()
  }

  fire (now: number): void {
    const failure = this.#deadlines.failureAt(now)
    if (now >= this.#forgetAt) this.#forget()
    else if (failure !== undefined) this.#failAtLimit(failure)
    else if (this.#deadlines.isOrphanedAt(now)) this.end('aborted', JSON.stringify({ reason: 'orphaned' }))
    else this.#schedule()
  }

  #forget (): void {
    this.#isForgotten = true
    this.#watch.unsubscribe()
    this.#owner.forget(this.run, this.#size.bytes)
  }

  async #failAtLimit (failure: SseFailure): Promise<void> {
    this.#log('warn', { failure }, 'run exceeded a limit or timed out')
    await this.end('failed', JSON.stringify(failure))
  }

  #log (level: 'error' | 'warn', fields: LogFields, message: string): void {
    writeLog(this.#owner.log, level, { ...fields, run: this.run.id, owner: this.run.owner }, message)
  }

  #schedule (): void {
    // Its last viewer may leave later.
    if (this.#isForgotten) return
    this.#owner.wheel.set(this, this.#ending === undefined ? this.#deadlines.next : this.#forgetAt)
  }
}
