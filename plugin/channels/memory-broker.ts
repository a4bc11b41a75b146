import { createHash } from 'node:crypto'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SseHistory, SsePage, SsePublished, SsePublishing } from './broker.ts'
import { SseEntry, type SsePayload } from '../wire/entry.ts'
import { SSE_ERR_BROKER_CLOSED, SSE_ERR_BROKER_FULL, SSE_ERR_IDEMPOTENCY_KEY } from '../base/errors.ts'
import { compareIds, epochOf, IdClock, idBeforeAll, laterId } from '../wire/event-id.ts'
import { resolveMemoryBrokerOptions, type SseMemoryBrokerOptions } from './options.ts'
import { WheelTimer, TimerWheel } from '../base/timer-wheel.ts'

/** Milliseconds for which a publication can be repeated by its idempotency key, and how many of them are remembered. */
const REPEATABLE = 10 * 60 * 1_000
const MAX_KEYS = 100_000
/**
 * Milliseconds for which a channel is remembered that has neither a history nor a subscriber, so that who comes back to
 * it can be told that nothing was missed.
 */
const LINGER = 10 * 60 * 1_000

/** A broker in this process: what is published here is heard here, and is gone with the process. */
export function memoryBroker (options?: SseMemoryBrokerOptions): SseBroker {
  return new MemoryBroker(resolveMemoryBrokerOptions(options).maxChannels)
}

interface Publication {
  readonly id: string
  readonly digest: string
  readonly until: number
}

class MemoryBroker implements SseBroker {
  readonly #maxChannels: number
  /** Its epoch is this process's: a client that comes from before a restart, or from another process, is told so. */
  readonly #clock = new IdClock()
  readonly #wheel = new TimerWheel()
  readonly #logs = new Map<string, Log>()
  /** By channel and idempotency key, the oldest first. */
  readonly #publications = new Map<string, Publication>()
  /** Up to here, entries of channels that are not in `#logs` may have been. */
  #forgotten = idBeforeAll(epochOf(this.#clock.last)!)
  /** What listeners are called for just now, and what has to wait for that: they may publish themselves. */
  readonly #news: Array<{ readonly log: Log, readonly entry: SseEntry }> = []
  /** Everything up to this id has come to all listeners. */
  #told = this.#clock.last
  #closed = false

  constructor (maxChannels: number) {
    this.#maxChannels = maxChannels
  }

  async publish (channel: string, payload: SsePayload, publishing: SsePublishing): Promise<SsePublished> {
    this.#assertOpen()
    const { history, idempotencyKey } = publishing
    if (idempotencyKey === undefined) {
      const id = this.#append(channel, payload, history)
      this.#tell()
      return { id, repeated: false }
    }
    const key = `${channel}\n${idempotencyKey}`
    const digest = digestOf(payload)
    const earlier = this.#publication(key)
    if (earlier !== undefined) {
      if (earlier.digest !== digest) throw new SSE_ERR_IDEMPOTENCY_KEY()
      return { id: earlier.id, repeated: true }
    }
    const id = this.#append(channel, payload, history)
    this.#remember(key, { id, digest, until: performance.now() + REPEATABLE })
    this.#tell()
    return { id, repeated: false }
  }

  async subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    this.#assertOpen()
    const log = this.#log(channel)
    const seat = log.listen(listener, this.#told)
    const told = (): string => this.#told
    return {
      get position () { return laterId(seat.given, told()) },
      unsubscribe: () => { log.unlisten(seat) }
    }
  }

  async replay (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    this.#assertOpen()
    const clock = this.#clock.last
    const known = after === undefined || (epochOf(after) === epochOf(clock) && compareIds(after, clock) <= 0)
    const start = known ? after : undefined
    const log = this.#logs.get(channel)
    const { entries, more } = log?.read(start, count) ?? { entries: [], more: false }
    const gone = log?.gone ?? this.#forgotten
    const lost = compareIds(gone, start ?? idBeforeAll(epochOf(clock)!)) > 0
    return { entries, more, known, lost: lost ? gone : undefined, clock }
  }

  async close (): Promise<void> {
    this.#closed = true
    for (const log of this.#logs.values()) log.close()
    this.#logs.clear()
    this.#publications.clear()
  }

  #append (channel: string, payload: SsePayload, history: SseHistory): string {
    const log = this.#log(channel)
    const entry = new SseEntry(this.#clock.next(), payload)
    log.take(entry, history)
    this.#news.push({ log, entry })
    return entry.id
  }

  /** Calls listeners. What they publish meanwhile is told when all have heard what was before. */
  #tell (): void {
    if (this.#news.length > 1) return
    try {
      for (const { log, entry } of this.#news) {
        log.tell(entry)
        this.#told = entry.id
      }
    } finally {
      this.#news.length = 0
    }
  }

  #log (channel: string): Log {
    const known = this.#logs.get(channel)
    if (known !== undefined) return known
    if (this.#logs.size >= this.#maxChannels) throw new SSE_ERR_BROKER_FULL(this.#maxChannels)
    const log = new Log(this.#wheel, this.#forgotten, () => {
      this.#logs.delete(channel)
      this.#forgotten = laterId(this.#forgotten, log.gone)
    })
    this.#logs.set(channel, log)
    return log
  }

  /** What is remembered of a publication. */
  #publication (key: string): Publication | undefined {
    const now = performance.now()
    for (const [old, { until }] of this.#publications) {
      if (until > now) break
      this.#publications.delete(old)
    }
    return this.#publications.get(key)
  }

  #remember (key: string, publication: Publication): void {
    this.#publications.set(key, publication)
    if (this.#publications.size <= MAX_KEYS) return
    const [oldest] = this.#publications.keys()
    this.#publications.delete(oldest!)
  }

  #assertOpen (): void {
    if (this.#closed) throw new SSE_ERR_BROKER_CLOSED()
  }
}

/** The same for the same event, in whatever order its fields come. Short: a text that is shorter stands for itself. */
function digestOf ({ data, event, retry, comment, key }: SsePayload): string {
  const text = JSON.stringify([data, event, retry, comment, key])
  return text.length <= 64 ? text : createHash('sha256').update(text).digest('base64')
}

/** A listener's place in a log. */
interface Seat {
  readonly listener: SseBrokerListener
  /** The last entry it was given, or where it began. */
  given: string
}

/** One channel's entries and who listens. As an alarm, it rings when there may be something to let go. */
class Log extends WheelTimer {
  readonly #seats = new Set<Seat>()
  readonly #wheel: TimerWheel
  readonly #onForgotten: () => void
  /** Entries from `#first` on; what is before is gone and waits to be cut off in one go. */
  #entries: SseEntry[] = []
  /** When each was published, by `performance.now()`. */
  #times: number[] = []
  #first = 0
  #bytes = 0
  #age = 0
  /** Whether there ever was an entry. */
  #held = false
  /** The newest entry that is gone. */
  gone: string

  /** @param onForgotten called when there has been neither an entry nor a listener for a while */
  constructor (wheel: TimerWheel, gone: string, onForgotten: () => void) {
    super()
    this.#wheel = wheel
    this.gone = gone
    this.#onForgotten = onForgotten
  }

  /** Keeps an entry as long as it may. */
  take (entry: SseEntry, { count, age, bytes }: SseHistory): void {
    const now = performance.now()
    this.#held = true
    this.#entries.push(entry)
    this.#times.push(now)
    this.#bytes += entry.bytes
    this.#age = age
    while (this.#size > count || this.#bytes > bytes) this.#drop()
    this.#expire(now)
    this.#arm(now)
  }

  /** Hands an entry to the listeners. */
  tell (entry: SseEntry): void {
    for (const seat of this.#seats) {
      seat.given = entry.id
      seat.listener.onEntry(entry)
    }
  }

  /** @param given where the listener begins */
  listen (listener: SseBrokerListener, given: string): Seat {
    const seat: Seat = { listener, given }
    this.#seats.add(seat)
    this.#arm(performance.now())
    return seat
  }

  unlisten (seat: Seat): void {
    // Who is not here any more must not wake a log that was closed or forgotten.
    if (!this.#seats.delete(seat)) return
    // Nothing can have been missed where nothing was.
    if (this.#empty && !this.#held) this.#onForgotten()
    else this.#arm(performance.now())
  }

  close (): void {
    this.#seats.clear()
    this.#wheel.clear(this)
  }

  /** The entries after one, or after the beginning; so many at most. */
  read (after: string | undefined, count: number): { entries: SseEntry[], more: boolean } {
    const [now, size] = [performance.now(), this.#size]
    this.#expire(now)
    if (this.#size < size) this.#arm(now)
    let [from, end] = [this.#first, this.#entries.length]
    if (after !== undefined) {
      while (from < end) {
        const middle = (from + end) >> 1
        if (compareIds(this.#entries[middle]!.id, after) > 0) end = middle
        else from = middle + 1
      }
    }
    return { entries: this.#entries.slice(from, from + count), more: this.#entries.length - from > count }
  }

  fire (now: number): void {
    if (this.#empty) {
      this.#onForgotten()
      return
    }
    this.#expire(now)
    this.#arm(now)
  }

  get #size (): number {
    return this.#entries.length - this.#first
  }

  get #empty (): boolean {
    return this.#size === 0 && this.#seats.size === 0
  }

  /** Has the alarm ring when the next entry is too old, or when an empty log has been kept for long enough. */
  #arm (now: number): void {
    let due = Infinity
    if (this.#empty) due = now + LINGER
    else if (this.#age > 0 && this.#size > 0) due = this.#times[this.#first]! + this.#age
    if (due !== this.dueAt) this.#wheel.set(this, due)
  }

  #expire (now: number): void {
    if (this.#age > 0) while (this.#size > 0 && this.#times[this.#first]! + this.#age <= now) this.#drop()
  }

  #drop (): void {
    const entry = this.#entries[this.#first++]!
    this.#bytes -= entry.bytes
    this.gone = entry.id
    if (this.#first * 2 < this.#entries.length) return
    this.#entries = this.#entries.slice(this.#first)
    this.#times = this.#times.slice(this.#first)
    this.#first = 0
  }
}
