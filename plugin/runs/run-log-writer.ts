import { SSE_ERR_IDEMPOTENCY_KEY, SSE_ERR_PRECONDITION, SSE_ERR_RUN_LOG_LOST } from '../base/errors.ts'
import { isInstance } from '../base/failure.ts'
import type { SseBroker } from '../channels/broker.ts'
import { stringifyPayload } from '../channels/payload-text.ts'
import { SseEntry, type SsePayload } from '../wire/entry.ts'
import { compareIds, laterId } from '../wire/event-id.ts'
import { LOG_LOST } from './failures.ts'
import { retry } from './retry.ts'
import { BEGIN_KEY, isEnd, KEEP_ALL, PAGE_SIZE, publishEnd, stringifyBeginning, summarizeLog, type RunBeginning } from './run-log.ts'

/**
 * Publishes the log of a run, each entry once, however often the broker fails meanwhile. The producing process publishes all
 * entries but the terminal event, so it knows what the last one must be: an entry that expects another one before it is
 * refused. Then either an earlier attempt has succeeded, another process has ended the run, or the log has lost entries.
 */
export class RunLogWriter {
  readonly #broker: SseBroker
  readonly #channel: string
  readonly #beginning: RunBeginning
  readonly #report: (error: unknown) => void
  /** The last entry that is known to be in the log, other than the terminal event. */
  #lastId = ''

  /** @param report called with the first error of an outage */
  constructor (broker: SseBroker, channel: string, beginning: RunBeginning, report: (error: unknown) => void) {
    this.#broker = broker
    this.#channel = channel
    this.#beginning = beginning
    this.#report = report
  }

  get generation (): string {
    return this.#beginning.generation
  }

  get beginId (): string {
    return this.#lastId
  }

  /** Begins the log. @returns false if it was begun by another call or process, maybe some time ago */
  async begin (isOver: () => boolean): Promise<boolean> {
    const attempt = async (): Promise<boolean> => {
      const comment = stringifyBeginning(this.#beginning)
      this.#lastId = (await this.#broker.publish(this.#channel, { comment }, { history: KEEP_ALL, idempotencyKey: BEGIN_KEY })).id
      return true
    }
    try {
      return await attempt().catch(error => retry(error, { attempt, isOver }))
    } catch (error) {
      if (isInstance(error, SSE_ERR_IDEMPOTENCY_KEY)) return false
      throw error
    }
  }

  /** Whether the log was begun, in case `begin` has rejected. */
  async isBegun (): Promise<boolean> {
    const log = await summarizeLog(this.#broker, this.#channel)
    if (log?.generation !== this.#beginning.generation) return false
    this.#lastId = log.beginId
    return true
  }

  /**
   * Publishes an event. While the broker fails, it waits.
   *
   * @param signal ends the waiting
   * @returns the terminal event if there is one, because then nothing was published
   * @throws SSE_ERR_RUN_LOG_LOST; the last error of the broker if the signal is aborted or the event can't be published
   */
  async append (payload: SsePayload, signal: AbortSignal): Promise<SseEntry | undefined> {
    try {
      return await this.#tryAppend(payload)
    } catch (error) {
      return await retry(error, { attempt: () => this.#tryAppend(payload), isOver: () => signal.aborted, report: this.#report })
    }
  }

  async #tryAppend (payload: SsePayload): Promise<SseEntry | undefined> {
    try {
      const { id } = await this.#broker.publish(this.#channel, payload, { history: KEEP_ALL, expectedLastId: this.#lastId })
      this.#advance(id)
      return undefined
    } catch (error) {
      if (!isInstance(error, SSE_ERR_PRECONDITION)) throw error
    }
    const [next] = await this.#readNew()
    if (next !== undefined && isEnd(next)) return next
    if (next === undefined || stringifyPayload(next) !== stringifyPayload(payload)) throw new SSE_ERR_RUN_LOG_LOST()
    this.#advance(next.id)
    return undefined
  }

  /**
   * Publishes the terminal event, unless the log has one. While the broker fails, it waits, because viewers wait for that event.
   *
   * @param age returns the milliseconds after which an entry of the log is deleted
   * @returns the terminal event of the log. If the log has lost entries, that is a failure with the code `log_lost`
   * @throws the last error of the broker if the event can't be published, or the broker is closed
   */
  async end (payload: SsePayload, age: () => number): Promise<SseEntry> {
    try {
      return await this.#tryEnd(payload, age())
    } catch (error) {
      return await retry(error, { attempt: () => this.#tryEnd(payload, age()), isOver: () => false, report: this.#report })
    }
  }

  async #tryEnd (payload: SsePayload, age: number): Promise<SseEntry> {
    try {
      return await this.#publishEnd(payload, age, this.#lastId)
    } catch (error) {
      if (!(isInstance(error, SSE_ERR_PRECONDITION) || isInstance(error, SSE_ERR_IDEMPOTENCY_KEY))) throw error
      const added = await this.#readNew().catch(error => {
        if (isInstance(error, SSE_ERR_RUN_LOG_LOST)) return undefined
        throw error
      })
      const end = added?.find(isEnd)
      if (end !== undefined) return end
      if (added === undefined) return await this.#endLostLog(age)
      if (added.length === 0) {
        if (isInstance(error, SSE_ERR_IDEMPOTENCY_KEY)) throw error
        // The expected entry may have been confirmed meanwhile. The log has lost nothing, and its key admits one terminal event.
        return await this.#publishEnd(payload, age)
      }
      // An event whose publication was given up was published nevertheless.
      this.#advance(added.at(-1)!.id)
    }
    return await this.#tryEnd(payload, age)
  }

  async #endLostLog (age: number): Promise<SseEntry> {
    const payload = { event: 'failed', data: JSON.stringify(LOG_LOST) }
    const log = await summarizeLog(this.#broker, this.#channel)
    // The log of another run with the same id has taken its place.
    if (log !== undefined && log.generation !== this.#beginning.generation) return new SseEntry(this.#lastId, payload)
    return log?.end ?? await this.#publishEnd(payload, age)
  }

  async #publishEnd (payload: SsePayload, age: number, expectedLastId?: string): Promise<SseEntry> {
    const { end } = await publishEnd(this.#broker, this.#channel, { generation: this.#beginning.generation, payload, age, expectedLastId })
    return end
  }

  /** Returns the terminal event if the log has one. @throws SSE_ERR_RUN_LOG_LOST */
  async findEnd (): Promise<SseEntry | undefined> {
    return (await this.#readNew()).find(isEnd)
  }

  /** Ids of another epoch are comparable: entries that a log keeps have the same time and number. */
  #advance (id: string): void {
    this.#lastId = laterId(this.#lastId, id)
  }

  /** Reads the entries after the last known one. @throws SSE_ERR_RUN_LOG_LOST if the log does not have that one */
  async #readNew (): Promise<SseEntry[]> {
    const start = this.#lastId
    let added: SseEntry[] = []
    let isLost = false
    for (let after = start; ;) {
      const { entries, more, known } = await this.#broker.replay(this.#channel, after, PAGE_SIZE)
      if (!known) {
        // The log has another epoch, and the page is its first one.
        added = []
        isLost = true
      }
      isLost &&= !entries.some(({ id }) => compareIds(id, start) === 0)
      added.push(...entries.filter(({ id }) => compareIds(id, start) > 0))
      if (!more) break
      after = entries.at(-1)!.id
    }
    if (isLost) throw new SSE_ERR_RUN_LOG_LOST()
    return added
  }
}
