import { LinkedList } from '../base/linked-list.ts'
import type { SseEntry } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'
import { Batch, type Delivery } from './batch.ts'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SsePage } from './broker.ts'
import { RecentEntries } from './recent-entries.ts'
import type { Subscription } from './subscription.ts'

/** Bytes of published entries after which a batch is delivered before the end of the turn. */
const MAX_BATCH_BYTES = 16 * 1024

/** What the subscribers of a channel need from the fan-out. */
export interface ChannelSubscribersOwner {
  readonly broker: SseBroker
  /** Delivers the channel's pending entries at the end of this turn. */
  schedule (channel: ChannelSubscribers): void
  /** Delivers the pending entries of all channels now. */
  flush (): void
  /** The channel has no more subscribers. */
  remove (channel: ChannelSubscribers): void
}

/** The subscribers of one channel in this process. They share one subscription at the broker. */
export class ChannelSubscribers implements SseBrokerListener {
  readonly name: string
  readonly #owner: ChannelSubscribersOwner
  readonly #subscriptions = new LinkedList<Subscription>()
  /** Subscriptions that ended during a delivery. They stay in the list until it is over, because it iterates over the list. */
  readonly #ended: Subscription[] = []
  readonly #subscribing: Promise<SseBrokerSubscription>
  #brokerSubscription: SseBrokerSubscription | undefined
  #delivering = false

  /** Entries that were published in this turn and are delivered at its end. */
  #pending: SseEntry[] = []
  #pendingBytes = 0
  /** The batch that is being delivered. */
  batch: Batch | undefined
  readonly #recent = new RecentEntries()
  /** The id of the last entry that the broker has delivered. */
  newest: string | undefined

  constructor (name: string, owner: ChannelSubscribersOwner) {
    this.name = name
    this.#owner = owner
    this.#subscribing = owner.broker.subscribe(name, this)
    this.#subscribing.then(subscription => {
      this.#brokerSubscription = subscription
      this.#recent.startAfter(subscription.position)
    }, () => {})
  }

  /** The number of subscribers. */
  get size (): number {
    return this.#subscriptions.size
  }

  /** Whether entries wait for the end of the turn. */
  get hasPending (): boolean {
    return this.#pending.length > 0
  }

  /** The broker has delivered every entry up to this id. Available once `add` has resolved. */
  get position (): string {
    return this.#brokerSubscription!.position
  }

  /** @returns once every entry that is published from then on will be delivered */
  async add (subscription: Subscription): Promise<void> {
    this.#subscriptions.add(subscription)
    await this.#subscribing
  }

  remove (subscription: Subscription): void {
    if (this.#delivering) this.#ended.push(subscription)
    else this.#removeNow(subscription)
  }

  #removeNow (subscription: Subscription): void {
    this.#subscriptions.remove(subscription)
    if (this.size > 0) return
    this.#owner.remove(this)
    this.#subscribing.then(subscription => subscription.unsubscribe(), () => {})
  }

  /**
   * Reads the history after an id, from this process if no entry is missing here, otherwise from the broker. Available once
   * `add` has resolved.
   *
   * @param upTo an id up to which the history must be complete. The broker may not have delivered it yet
   */
  async read (after: string | undefined, count: number, upTo?: string): Promise<SsePage> {
    const isDelivered = upTo === undefined || compareIds(upTo, this.position) <= 0
    const recent = after !== undefined && isDelivered ? this.#recent.read(after, count, this.position) : undefined
    return recent ?? await this.#owner.broker.replay(this.name, after, count)
  }

  onEntry (entry: SseEntry): void {
    this.newest = entry.id
    if (this.#pending.push(entry) === 1) this.#owner.schedule(this)
    this.#pendingBytes += entry.bytes
    this.#recent.add(entry)
    if (this.#pendingBytes >= MAX_BATCH_BYTES) this.#owner.flush()
  }

  onBreak (): void {
    // Nobody has received anything yet: subscribers read the history once the broker has answered.
    if (this.#brokerSubscription === undefined) return
    this.#recent.restartAfter(this.position)
    this.newest = undefined
    for (const { listener } of [...this.#subscriptions]) listener.onBreak()
  }

  /** Turns the pending entries into a batch. */
  prepareBatch (): void {
    this.batch = new Batch(this.#pending)
    this.#pending = []
    this.#pendingBytes = 0
  }

  deliver (delivery: Delivery): void {
    this.#delivering = true
    this.#subscriptions.forEach(({ listener }) => { listener.deliver(this, delivery) })
    this.#delivering = false
    for (const subscription of this.#ended.splice(0)) this.#removeNow(subscription)
  }
}
