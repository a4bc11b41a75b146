import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SsePage } from './broker.ts'
import { LinkedList, ListNode } from '../base/linked-list.ts'
import type { SseEntry } from '../wire/entry.ts'
import { compareIds, epochOf } from '../wire/event-id.ts'
import type { SseFilter } from './options.ts'
import { SharedText } from '../wire/shared-text.ts'

/** Bytes after which what was published in one turn is delivered without waiting for its end. */
const BATCH = 16 * 1024
/** Entries that a topic remembers itself, and bytes of their text: for who falls behind for a moment. */
const TAIL = 256
const TAIL_BYTES = 1024 * 1024

/** One time that what was published is delivered. */
export interface Delivery {
  /** By `performance.now()`. */
  readonly now: number
}

/** Who follows topics. */
export interface TopicFollower {
  /** The topic, which it follows, has a batch. */
  deliver (topic: Topic, delivery: Delivery): void
  /** Something may be missing in what was delivered. */
  resync (): void
}

/** A follower's place at a topic. */
export class Seat extends ListNode {
  readonly topic: Topic
  readonly follower: TopicFollower
  readonly filter: SseFilter | undefined
  readonly until: SseFilter | undefined
  /** What came up to this id is not wanted; undefined where all is. */
  since: string | undefined

  constructor (topic: Topic, follower: TopicFollower, filter: SseFilter | undefined, until: SseFilter | undefined) {
    super()
    this.topic = topic
    this.follower = follower
    this.filter = filter
    this.until = until
  }

  /** Whether it takes everything there is. */
  get insatiable (): boolean {
    return this.filter === undefined && this.until === undefined && this.since === undefined
  }

  /** @throws what the filter throws */
  wants (entry: SseEntry): boolean {
    return (this.since === undefined || compareIds(entry.id, this.since) > 0) && (this.filter === undefined || this.filter(entry, this.topic.name))
  }

  /** Whether the stream ends after an entry that it was given. @throws what `until` throws */
  ends (entry: SseEntry): boolean {
    return this.until !== undefined && this.until(entry, this.topic.name)
  }
}

/** What was published to a topic in one turn of the event loop. */
export class Batch {
  readonly entries: readonly SseEntry[]
  readonly #shared: Array<SharedText | undefined> = [undefined, undefined]

  constructor (entries: readonly SseEntry[]) {
    this.entries = entries
  }

  get lastId (): string {
    return this.entries.at(-1)!.id
  }

  /** All of it on the wire: made once for each kind of framing. */
  shared (space: boolean): SharedText {
    const kind = Number(space)
    this.#shared[kind] ??= new SharedText(this.entries.map(entry => entry.frame(space)).join(''))
    return this.#shared[kind]
  }
}

/** What a topic asks of where all topics are. */
export interface TopicOwner {
  readonly broker: SseBroker
  /** The topic has something to deliver at the end of this turn. */
  noteDirty (topic: Topic): void
  /** Delivers at once what waits for the end of the turn. */
  flush (): void
  /** Nobody follows the topic any more. */
  forget (topic: Topic): void
}

/** One channel as this process sees it: the broker's live tail, and who follows it here. */
export class Topic implements SseBrokerListener {
  readonly name: string
  readonly #owner: TopicOwner
  readonly #seats = new LinkedList<Seat>()
  /** Seats that were given up while a batch was delivered. */
  readonly #left: Seat[] = []
  readonly #subscribed: Promise<SseBrokerSubscription>
  #subscription: SseBrokerSubscription | undefined
  #delivering = false

  /** What was published in this turn, and waits for its end. */
  #pending: SseEntry[] = []
  #pendingBytes = 0
  /** What is being delivered. */
  batch: Batch | undefined

  #tail: SseEntry[] = []
  #tailBytes = 0
  /** Every entry after this id is in the tail; undefined before the subscription has begun. */
  #tailFrom: string | undefined
  /** The last entry seen. */
  newest: string | undefined

  constructor (name: string, owner: TopicOwner) {
    this.name = name
    this.#owner = owner
    this.#subscribed = owner.broker.subscribe(name, this)
    this.#subscribed.then(subscription => {
      this.#subscription = subscription
      this.#tailFrom ??= subscription.position
    }, () => {})
  }

  get size (): number {
    return this.#seats.size
  }

  /** Whether something waits for the end of the turn. */
  get dirty (): boolean {
    return this.#pending.length > 0
  }

  /** Every entry up to this id was published here, or waits for the end of the turn. To be asked once `join` has settled. */
  get position (): string {
    return this.#subscription!.position
  }

  /** @returns when every entry that is published from now on will be delivered */
  async join (seat: Seat): Promise<void> {
    this.#seats.add(seat)
    await this.#subscribed
  }

  leave (seat: Seat): void {
    // A loop is at some seat, and would lose its way.
    if (this.#delivering) this.#left.push(seat)
    else this.#remove(seat)
  }

  #remove (seat: Seat): void {
    this.#seats.remove(seat)
    if (this.size > 0) return
    this.#owner.forget(this)
    this.#subscribed.then(subscription => subscription.unsubscribe(), () => {})
  }

  /** What came after an id, as this process remembers it, or else the broker. */
  async after (id: string | undefined, count: number): Promise<SsePage> {
    if (id === undefined || !this.#remembers(id)) return await this.#owner.broker.replay(this.name, id, count)
    let from = this.#tail.length
    while (from > 0 && compareIds(this.#tail[from - 1]!.id, id) > 0) from--
    return { entries: this.#tail.slice(from, from + count), more: this.#tail.length - from > count, known: true, lost: undefined, clock: this.position }
  }

  /** Whether the tail holds all that came after an id, which may be any text. */
  #remembers (id: string): boolean {
    const from = this.#tailFrom
    return from !== undefined && epochOf(id) === epochOf(from) && compareIds(id, from) >= 0 && compareIds(id, this.position) <= 0
  }

  // From the broker

  onEntry (entry: SseEntry): void {
    this.newest = entry.id
    if (this.#pending.push(entry) === 1) this.#owner.noteDirty(this)
    this.#pendingBytes += entry.bytes
    this.#remember(entry)
    if (this.#pendingBytes >= BATCH) this.#owner.flush()
  }

  onBreak (): void {
    this.#tail = []
    this.#tailBytes = 0
    this.#tailFrom = this.position
    this.newest = undefined
    for (const { follower } of [...this.#seats]) follower.resync()
  }

  #remember (entry: SseEntry): void {
    this.#tail.push(entry)
    this.#tailBytes += entry.bytes
    // Cut in half at once, because to shift an array costs as much as to copy it.
    if (this.#tail.length <= 2 * TAIL && this.#tailBytes <= TAIL_BYTES) return
    const cut = Math.ceil(this.#tail.length / 2)
    this.#tailFrom = this.#tail[cut - 1]!.id
    this.#tail = this.#tail.slice(cut)
    this.#tailBytes = this.#tail.reduce((bytes, entry) => bytes + entry.bytes, 0)
  }

  // At the end of a turn

  /** Closes the batch of this turn. */
  seal (): void {
    this.batch = new Batch(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
  }

  /** Delivers the batch. */
  deliver (delivery: Delivery): void {
    this.#delivering = true
    for (const { follower } of this.#seats) follower.deliver(this, delivery)
    this.#delivering = false
    for (const seat of this.#left.splice(0)) this.#remove(seat)
  }
}
