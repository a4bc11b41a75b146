import { SSE_ERR_BROKER_CLOSED, SSE_ERR_BROKER_FULL, SSE_ERR_PRECONDITION } from '../base/errors.ts'
import { TimerWheel } from '../base/timer-wheel.ts'
import { assertPayload, createEntry, type SseEntry, type SsePayload } from '../wire/entry.ts'
import { compareIds, epochOf, IdGenerator, idBeforeAll, laterId } from '../wire/event-id.ts'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SseHistory, SsePage, SsePublished, SsePublishOptions } from './broker.ts'
import { IdempotencyKeys } from './idempotency-keys.ts'
import { MemoryLog, type MemoryLogOwner } from './memory-log.ts'
import { resolveMemoryBrokerOptions, type SseMemoryBrokerOptions } from './options.ts'

/**
 * Returns a broker that keeps its log in this process: it reaches the subscribers of this process only, and a restart loses
 * the history.
 */
export function memoryBroker (options?: SseMemoryBrokerOptions): SseBroker {
  return new MemoryBroker(resolveMemoryBrokerOptions(options).maxChannels)
}

class MemoryBroker implements SseBroker, MemoryLogOwner {
  readonly wheel = new TimerWheel()
  readonly #maxChannels: number
  /** Each broker has its own epoch, so ids from before a restart or from another process are recognized. */
  readonly #ids = new IdGenerator()
  readonly #logs = new Map<string, MemoryLog>()
  readonly #idempotencyKeys = new IdempotencyKeys()
  /** Entries to deliver. Not empty while listeners are called, because a listener may publish. */
  readonly #undelivered: Array<{ readonly log: MemoryLog, readonly entry: SseEntry }> = []
  #delivered = this.#ids.last
  #forgotten = idBeforeAll(epochOf(this.#ids.last)!)
  #closed = false

  constructor (maxChannels: number) {
    this.#maxChannels = maxChannels
  }

  async publish (channel: string, payload: SsePayload, { history, idempotencyKey, expectedLastId }: SsePublishOptions): Promise<SsePublished> {
    this.#assertOpen()
    assertPayload(payload)
    if (idempotencyKey === undefined) {
      const id = this.#append(channel, payload, history, expectedLastId)
      this.#deliver()
      return { id, repeated: false }
    }
    const published = this.#idempotencyKeys.publishOnce(channel, idempotencyKey, payload, () => this.#append(channel, payload, history, expectedLastId))
    if (!published.repeated) this.#deliver()
    return published
  }

  async subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    this.#assertOpen()
    return this.#log(channel).subscribe(listener)
  }

  async replay (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    this.#assertOpen()
    const clock = this.#ids.last
    const known = after === undefined || (epochOf(after) === epochOf(clock) && compareIds(after, clock) <= 0)
    const start = known ? after : undefined
    const log = this.#logs.get(channel)
    const { entries, more } = log?.read(start, count) ?? { entries: [], more: false }
    const lastRemoved = log?.lastRemoved ?? this.#forgotten
    const isLost = compareIds(lastRemoved, start ?? idBeforeAll(epochOf(clock)!)) > 0
    return { entries, more, known, lost: isLost ? lastRemoved : undefined, clock }
  }

  async close (): Promise<void> {
    this.#closed = true
    for (const log of this.#logs.values()) log.close()
    this.#logs.clear()
    this.#idempotencyKeys.clear()
  }

  get delivered (): string {
    return this.#delivered
  }

  get forgotten (): string {
    return this.#forgotten
  }

  removeLog (log: MemoryLog): void {
    this.#logs.delete(log.channel)
    this.#forgotten = laterId(this.#forgotten, log.lastRemoved)
  }

  /** @throws SSE_ERR_PRECONDITION */
  #append (channel: string, payload: SsePayload, history: SseHistory, expectedLastId: string | undefined): string {
    if (expectedLastId !== undefined && this.#logs.get(channel)?.lastId !== expectedLastId) throw new SSE_ERR_PRECONDITION()
    const log = this.#log(channel)
    const entry = createEntry(this.#ids.next(), payload)
    log.add(entry, history)
    this.#undelivered.push({ log, entry })
    return entry.id
  }

  /** Calls the listeners. Entries that they publish are delivered after all listeners have received the current one. */
  #deliver (): void {
    if (this.#undelivered.length > 1) return
    try {
      for (const { log, entry } of this.#undelivered) {
        log.deliver(entry)
        this.#delivered = entry.id
      }
    } finally {
      this.#undelivered.length = 0
    }
  }

  #log (channel: string): MemoryLog {
    const existing = this.#logs.get(channel)
    if (existing !== undefined) return existing
    if (this.#logs.size >= this.#maxChannels) throw new SSE_ERR_BROKER_FULL(this.#maxChannels)
    const log = new MemoryLog(channel, this)
    this.#logs.set(channel, log)
    return log
  }

  #assertOpen (): void {
    if (this.#closed) throw new SSE_ERR_BROKER_CLOSED()
  }
}
