import type { FastifyBaseLogger } from 'fastify'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import { writeLog } from '../base/logging.ts'
import { describe } from '../base/option-checks.ts'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SseHistory, SsePage } from '../channels/broker.ts'
import { retry } from '../runs/retry.ts'
import type { SseEntry } from '../wire/entry.ts'
import type { ReplyStreams } from './reply-streams.ts'

/** The channel of the messages. Applications cannot use its name. */
const CHANNEL = 'sse-closed-keys'

/** The type of a message. Its data is the key as JSON, which keeps any string. */
const CLOSED = 'closed'

/** A process that was disconnected for longer, or has missed more messages, closes all streams with a key. */
const HISTORY: SseHistory = { count: 10_000, age: 60 * 60_000, bytes: 8 * 1024 * 1024 }

const PAGE_SIZE = 1_000

export interface KeyCloserOptions {
  readonly broker: SseBroker
  readonly streams: ReplyStreams
  readonly log: FastifyBaseLogger
}

/** Closes the streams of a key in all processes that share the broker, through messages on a channel. */
export class KeyCloser implements SseBrokerListener {
  readonly #broker: SseBroker
  readonly #streams: ReplyStreams
  readonly #log: FastifyBaseLogger
  #subscription: SseBrokerSubscription | undefined
  /** Every message up to this id was received. */
  #position: string | undefined
  /** Whether any message was sent or received. Until then, it is assumed that no process closes keys. */
  #isUsed = false
  #isStopped = false
  /** Keys whose messages the broker has not accepted yet. */
  readonly #unpublished = new Set<string>()
  #publishing = false

  constructor ({ broker, streams, log }: KeyCloserOptions) {
    this.#broker = broker
    this.#streams = streams
    this.#log = log
  }

  /**
   * Closes the streams of a key: those of this process immediately, and those of other processes when they receive the message.
   * A message that the broker does not accept is published again until it does, even though the caller receives the error: a
   * user who has signed out cannot do so again.
   *
   * @throws SSE_ERR_OPTION, and the errors of the broker
   */
  async close (key: string): Promise<void> {
    if (typeof key !== 'string') throw new SSE_ERR_OPTION('The key of app.sse.closeKey() must be a string', `received ${describe(key)}`)
    this.#isUsed = true
    this.#closeStreams(key)
    if (this.#broker.shared !== true) return
    try {
      await this.#publish(key)
    } catch (error) {
      this.#publishLater(key)
      throw error
    }
  }

  async #publish (key: string): Promise<void> {
    await this.#broker.publish(CHANNEL, { event: CLOSED, data: JSON.stringify(key) }, { history: HISTORY })
  }

  #publishLater (key: string): void {
    // Beyond the limit, the history would not keep the messages either.
    if (this.#unpublished.size < HISTORY.count) this.#unpublished.add(key)
    if (this.#publishing) return
    this.#publishing = true
    this.#follow(async () => {
      for (const unpublished of this.#unpublished) {
        await this.#untilDone(() => this.#publish(unpublished))
        this.#unpublished.delete(unpublished)
      }
      this.#publishing = false
    })
  }

  /** Receives the messages of other processes from now on. */
  start (): void {
    if (this.#broker.shared === true) this.#follow(() => this.#subscribe())
  }

  stop (): void {
    this.#isStopped = true
  }

  onEntry (entry: SseEntry): void {
    this.#position = entry.id
    this.#receive(entry)
  }

  onBreak (): void {
    // The whole history is read once the broker has answered.
    if (this.#subscription === undefined) return
    const after = this.#position
    this.#position = this.#subscription.position
    this.#follow(() => this.#readHistory(after))
  }

  async #subscribe (): Promise<void> {
    this.#subscription = await this.#untilDone(() => this.#broker.subscribe(CHANNEL, this))
    this.#position ??= this.#subscription.position
    // Streams may have been opened before.
    await this.#readHistory(undefined)
  }

  /** @param after undefined for the beginning of the history */
  async #readHistory (after: string | undefined): Promise<void> {
    for (let more = true; more;) {
      const page = await this.#untilDone(() => this.#broker.replay(CHANNEL, after, PAGE_SIZE))
      for (const entry of page.entries) this.#receive(entry)
      if (this.#isUsed && isIncomplete(page, after)) this.#closeAll()
      after = page.entries.at(-1)?.id
      more = page.more
    }
  }

  #receive ({ event, data }: SseEntry): void {
    this.#isUsed = true
    // Another version of this package may send other messages.
    if (event === CLOSED) this.#closeStreams(keyOf(data))
  }

  #closeStreams (key: string | undefined): void {
    if (key === undefined) return
    for (const { stream } of [...this.#streams].filter(replyStream => replyStream.key === key)) stream.endWith('kicked')
  }

  #closeAll (): void {
    const withKey = [...this.#streams].filter(({ key }) => key !== undefined)
    writeLog(this.#log, 'warn', { streams: withKey.length }, 'messages of app.sse.closeKey() may have been missed, so all event streams with a key are closed')
    for (const { stream } of withKey) stream.endWith('kicked')
  }

  /** Repeats an operation of the broker until it succeeds. */
  async #untilDone<Result> (attempt: () => Promise<Result>): Promise<Result> {
    return await attempt().catch(error => retry<Result>(error, { attempt, isOver: () => this.#isStopped, report: err => { this.#reportFailure(err) } }))
  }

  #follow (step: () => Promise<void>): void {
    step().catch(error => { if (!this.#isStopped) this.#reportFailure(error) })
  }

  #reportFailure (err: unknown): void {
    writeLog(this.#log, 'error', { err }, 'the broker failed to pass on messages of app.sse.closeKey()')
  }
}

/** Whether messages after an id may be missing from the history. If the id is undefined, those that its limits removed don't count. */
function isIncomplete ({ known, lost, damaged }: SsePage, after: string | undefined): boolean {
  return !known || (after === undefined ? damaged === true : lost !== undefined)
}

/** @returns undefined if another program has published data that is not a key */
function keyOf (data: string | undefined): string | undefined {
  try {
    const key: unknown = JSON.parse(data ?? '')
    return typeof key === 'string' ? key : undefined
  } catch {
    return undefined
  }
}
