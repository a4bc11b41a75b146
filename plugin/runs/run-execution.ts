import type { FastifyBaseLogger } from 'fastify'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription } from '../channels/broker.ts'
import { SSE_ERR_EVENT, SSE_ERR_RUN_OVER } from '../base/errors.ts'
import { SseEntry, type SsePayload } from '../wire/entry.ts'
import type { SseFields } from '../wire/event.ts'
import { failureOf, type SseFailure } from '../base/failure.ts'
import type { Run } from './run.ts'
import { endRun, inspectRun, isEnd, isEndType, WHOLE, type SseRunEnd } from './run-log.ts'
import type { RunSettings } from './options.ts'
import { sendSource } from '../stream/source.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'

/** Items that are taken before the event loop gets a turn, for producers that never wait. */
const GROUP = 128
/** Times that the end is published, and milliseconds between them, where the broker does not take it. */
const ATTEMPTS = 60
const PAUSE = 1_000

/** What a production needs of its application. */
export interface RunExecutionOwner {
  readonly broker: SseBroker
  readonly wheel: TimerWheel
  readonly log: FastifyBaseLogger
  /** Turns what a producer yields into what is published. @throws SSE_ERR_EVENT, SSE_ERR_SERIALIZE */
  payload (data: unknown, fields?: SseFields): SsePayload
  /** The run has ended, and its time is up. */
  forget (run: Run): void
}

/**
 * The producer of one run, from its beginning to the end of its log, and as long as that is kept.
 *
 * It follows its own log: whoever has ended the run, here or in another process, has ended it by the log.
 */
export class RunExecution extends WheelTimer implements SseBrokerListener {
  readonly #run: Run
  readonly #owner: RunExecutionOwner
  readonly #settings: RunSettings
  readonly #controller = new AbortController()
  readonly #beganAt = performance.now()
  #subscribed: Promise<SseBrokerSubscription> | undefined
  #lastItemAt = performance.now()
  #forgetAt = Infinity
  #events = 0
  #bytes = 0
  /** Whether there is a producer to be stopped. */
  #producing = true
  /** Set when the end is on its way to the log. */
  #ending: Promise<void> | undefined

  constructor (run: Run, owner: RunExecutionOwner, settings: RunSettings) {
    super()
    this.#run = run
    this.#owner = owner
    this.#settings = settings
    run.onOrphaned = () => this.#arm()
  }

  get events (): number {
    return this.#events
  }

  get age (): number {
    return performance.now() - this.#beganAt
  }

  /** Publishes what the producer yields, and how it has ended. Never rejects. */
  async produce (producer: (signal: AbortSignal) => unknown): Promise<void> {
    const { broker, log } = this.#owner
    const { signal } = this.#controller
    this.#arm()
    try {
      this.#subscribed = broker.subscribe(this.#run.channel, this)
      await this.#subscribed
      const report = (error: unknown): void => log.error({ err: error, run: this.#run.id }, 'the producer of a run failed after it was ended')
      const result = await sendSource(producer, (data, fields) => this.#take(data, fields), signal, report)
      this.#producing = false
      await this.end('done', this.#owner.payload(result ?? {}).data!)
    } catch (error) {
      this.#producing = false
      // Not if that is how it was told to stop.
      if (this.#ending === undefined) log.error({ err: error, run: this.#run.id }, 'a run failed')
      await this.fail(error)
    }
  }

  /** Ends the run as failed. */
  async fail (error: unknown): Promise<void> {
    await this.end('failed', JSON.stringify(failureOf(error)))
  }

  /** Ends the run, unless it has ended. @returns when that is in its log */
  async end (how: SseRunEnd, data: string): Promise<void> {
    this.#ending ??= this.#publishEnd(how, data)
    this.#arm()
    await this.#ending
  }

  async #publishEnd (how: SseRunEnd, data: string): Promise<void> {
    this.#stop(how)
    for (let attempt = 1; this.#run.end === undefined; attempt++) {
      try {
        await endRun(this.#owner.broker, this.#run.channel, how, data, Math.ceil(this.age) + this.#settings.retention)
        return
      } catch (error) {
        if (attempt < ATTEMPTS && (error as { code?: unknown }).code !== 'SSE_ERR_BROKER_CLOSED') {
          await new Promise(resolve => { setTimeout(resolve, PAUSE).unref() })
          continue
        }
        this.#owner.log.error({ err: error, run: this.#run.id }, 'the end of a run was not published')
        this.#over()
        return
      }
    }
  }

  #take (data: unknown, fields: SseFields | undefined): Promise<void> {
    if (isEndType(fields?.event)) throw new SSE_ERR_EVENT(`has the type ${fields.event}, by which a run ends: return its data instead`)
    const payload = this.#owner.payload(data, fields)
    this.#lastItemAt = performance.now()
    this.#events++
    this.#bytes += new SseEntry('', payload).bytes
    const { maxEvents, maxBytes } = this.#settings
    if (this.#events > maxEvents || this.#bytes > maxBytes) return this.#overrun(TOO_LARGE)
    return this.#publish(payload)
  }

  async #publish (payload: SsePayload): Promise<void> {
    await this.#owner.broker.publish(this.#run.channel, payload, { history: WHOLE })
    if (this.#events % GROUP === 0) await new Promise(resolve => { setImmediate(resolve) })
  }

  // From the log

  onEntry (entry: SseEntry): void {
    if (!isEnd(entry)) return
    this.#run.end = entry
    this.#ending ??= Promise.resolve()
    this.#stop(entry.event!)
    this.#over()
  }

  onBreak (): void {
    // The end may be among what was missed.
    inspectRun(this.#owner.broker, this.#run.channel).then(found => {
      if (found?.end !== undefined && this.#run.end === undefined) this.onEntry(found.end)
    }, error => this.#owner.log.error({ err: error, run: this.#run.id }, 'the log of a run was not read'))
  }

  #stop (how: string): void {
    if (this.#producing) this.#controller.abort(new SSE_ERR_RUN_OVER(how))
  }

  /** There is nothing more to come. */
  #over (): void {
    this.#subscribed?.then(subscription => subscription.unsubscribe(), () => {})
    this.#forgetAt = performance.now() + this.#settings.retention
    this.#arm()
  }

  // When the time has come

  fire (now: number): void {
    if (this.#ending !== undefined) this.#owner.forget(this.#run)
    else if (now >= this.#timeoutAt) this.#overrun(OVERDUE)
    else if (now >= this.#idleAt) this.#overrun(IDLE)
    else if (now >= this.#orphanedAt) this.end('aborted', ORPHANED)
    else this.#arm()
  }

  /** Ends the run because it has gone beyond one of its limits. */
  async #overrun (failure: SseFailure): Promise<void> {
    this.#owner.log.warn({ run: this.#run.id, failure }, 'a run has reached a limit')
    await this.end('failed', JSON.stringify(failure))
  }

  #arm (): void {
    const due = this.#ending === undefined ? Math.min(this.#timeoutAt, this.#idleAt, this.#orphanedAt) : this.#forgetAt
    this.#owner.wheel.set(this, due)
  }

  get #timeoutAt (): number {
    return after(this.#beganAt, this.#settings.timeout)
  }

  get #idleAt (): number {
    return after(this.#lastItemAt, this.#settings.idleTimeout)
  }

  get #orphanedAt (): number {
    return after(this.#run.orphanedSince, this.#settings.orphanTimeout)
  }
}

/** The moment so many milliseconds after another; never, where there are none. */
function after (time: number, ms: number): number {
  return ms > 0 ? time + ms : Infinity
}

const OVERDUE: SseFailure = { code: 'timeout', message: 'It took too long', retryable: true }
const IDLE: SseFailure = { code: 'idle_timeout', message: 'It was silent for too long', retryable: true }
const TOO_LARGE: SseFailure = { code: 'too_large', message: 'It became too large', retryable: false }
const ORPHANED = JSON.stringify({ reason: 'orphaned' })
