import { currentTime } from '../base/clock.ts'
import { WheelTimer, type TimerWheel } from '../base/timer-wheel.ts'
import type { SseEntry } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'
import { BrokerSubscription } from './broker-subscription.ts'
import type { SseBrokerListener, SseHistory, SsePage } from './broker.ts'

/**
 * Milliseconds for which a broker remembers a channel without history and listeners, so that a client that reconnects to it
 * can be told that it missed nothing.
 */
export const EMPTY_CHANNEL_RETENTION = 10 * 60 * 1_000

/** What a log needs from its broker. */
export interface MemoryLogOwner {
  readonly wheel: TimerWheel
  /** The id up to which all entries were delivered to all listeners. */
  readonly delivered: string
  /** Entries up to this id may be missing from a new log, because an earlier log of the same channel was removed. */
  readonly forgotten: string
  /** The log is no longer needed. */
  removeLog (log: MemoryLog): void
}

/** The history and the listeners of one channel of a memory broker. Its timer fires when entries expire. */
export class MemoryLog extends WheelTimer {
  readonly channel: string
  readonly #owner: MemoryLogOwner
  readonly #subscriptions = new Set<BrokerSubscription>()
  /** Entries from index `#first` on are the history. Those before it were removed, and are cut off together. */
  #entries: SseEntry[] = []
  /** When each entry was published, on the clock of `currentTime()`. */
  #times: number[] = []
  #first = 0
  #bytes = 0
  #maxAge = 0
  #lastId: string | undefined
  /** The newest entry that was removed. */
  #lastRemoved: string

  constructor (channel: string, owner: MemoryLogOwner) {
    super()
    this.channel = channel
    this.#owner = owner
    this.#lastRemoved = owner.forgotten
  }

  /** The id of the last entry that was added; undefined if there was none. */
  get lastId (): string | undefined {
    return this.#lastId
  }

  get lastRemoved (): string {
    return this.#lastRemoved
  }

  /** Adds an entry to the history, and applies the limits. */
  add (entry: SseEntry, { count, age, bytes }: SseHistory): void {
    const now = currentTime()
    this.#lastId = entry.id
    this.#entries.push(entry)
    this.#times.push(now)
    this.#bytes += entry.bytes
    this.#maxAge = age
    while (this.#size > count || this.#bytes > bytes) this.#removeOldest()
    this.#expire(now)
    this.#setTimer(now)
  }

  deliver (entry: SseEntry): void {
    for (const subscription of this.#subscriptions) subscription.deliver(entry)
  }

  subscribe (listener: SseBrokerListener): BrokerSubscription {
    const subscription = new BrokerSubscription({
      listener,
      start: this.#owner.delivered,
      delivered: () => this.#owner.delivered,
      unsubscribe: subscription => this.#unsubscribe(subscription)
    })
    this.#subscriptions.add(subscription)
    this.#setTimer(currentTime())
    return subscription
  }

  #unsubscribe (subscription: BrokerSubscription): void {
    // A subscription may end after its log was closed or removed, which must not set the timer again.
    if (!this.#subscriptions.delete(subscription)) return
    // A channel that never had an entry has no past to remember.
    if (this.#empty && this.#lastId === undefined) this.#owner.removeLog(this)
    else this.#setTimer(currentTime())
  }

  /** Reads the entries after an id, or from the beginning. */
  read (after: string | undefined, count: number): Pick<SsePage, 'entries' | 'more'> {
    const [now, size] = [currentTime(), this.#size]
    this.#expire(now)
    if (this.#size < size) this.#setTimer(now)
    const from = after === undefined ? this.#first : this.#indexAfter(after)
    return { entries: this.#entries.slice(from, from + count), more: this.#entries.length - from > count }
  }

  /** Stops the timer and removes all listeners. */
  close (): void {
    this.#subscriptions.clear()
    this.#owner.wheel.clear(this)
  }

  fire (now: number): void {
    if (this.#empty) {
      this.#owner.removeLog(this)
      return
    }
    this.#expire(now)
    this.#setTimer(now)
  }

  get #size (): number {
    return this.#entries.length - this.#first
  }

  get #empty (): boolean {
    return this.#size === 0 && this.#subscriptions.size === 0
  }

  /** The index of the first entry after an id, by binary search. */
  #indexAfter (id: string): number {
    let [from, end] = [this.#first, this.#entries.length]
    while (from < end) {
      const middle = (from + end) >> 1
      if (compareIds(this.#entries[middle]!.id, id) > 0) end = middle
      else from = middle + 1
    }
    return from
  }

  /** Sets the timer to when the oldest entry expires, or to when an empty log is removed. */
  #setTimer (now: number): void {
    let due = Infinity
    if (this.#empty) due = now + EMPTY_CHANNEL_RETENTION
    else if (this.#maxAge > 0 && this.#size > 0) due = this.#times[this.#first]! + this.#maxAge
    if (due !== this.dueAt) this.#owner.wheel.set(this, due)
  }

  #expire (now: number): void {
    if (this.#maxAge > 0) while (this.#size > 0 && this.#times[this.#first]! + this.#maxAge <= now) this.#removeOldest()
  }

  #removeOldest (): void {
    const entry = this.#entries[this.#first++]!
    this.#bytes -= entry.bytes
    this.#lastRemoved = entry.id
    // Shifting an array is as expensive as copying it, so half of it is cut off at once.
    if (this.#first * 2 < this.#entries.length) return
    this.#entries = this.#entries.slice(this.#first)
    this.#times = this.#times.slice(this.#first)
    this.#first = 0
  }
}
