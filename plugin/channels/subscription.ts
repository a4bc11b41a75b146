import { bindContext } from '../base/async-context.ts'
import { decision } from '../base/callbacks.ts'
import { ListNode } from '../base/linked-list.ts'
import type { SseEntry } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'
import type { Delivery } from './batch.ts'
import type { ChannelSubscribers } from './channel-subscribers.ts'
import type { SseContext, SseFilter } from './options.ts'

/** Receives the batches of the channels that it is subscribed to. */
export interface BatchListener {
  /** The channel has a batch. Must not throw. */
  deliver (channel: ChannelSubscribers, delivery: Delivery): void
  /** Entries may be missing in what was delivered. */
  onBreak (): void
}

/** What a subscription needs to select entries. */
export interface SubscriptionParameters {
  readonly filter: SseFilter | undefined
  readonly until: SseFilter | undefined
  /** The option `context` of the stream. */
  readonly context: SseContext | undefined
}

/** The subscription of one stream to one channel. */
export class Subscription extends ListNode {
  readonly channel: ChannelSubscribers
  readonly listener: BatchListener
  readonly filter: SseFilter | undefined
  readonly until: SseFilter | undefined
  readonly context: SseContext | undefined
  /** Whether it was ended. Entries that were read before are not wanted either. */
  ended = false
  /** Entries up to this id are not wanted; undefined if none are excluded. */
  startAfter: string | undefined

  constructor (channel: ChannelSubscribers, listener: BatchListener, { filter, until, context }: SubscriptionParameters) {
    super()
    this.channel = channel
    this.listener = listener
    this.filter = filter && bindContext(filter)
    this.until = until && bindContext(until)
    this.context = context
  }

  /** Whether every entry is wanted and none ends the stream, so that batches are sent without looking at their entries. */
  get takesEverything (): boolean {
    return this.filter === undefined && this.until === undefined && this.startAfter === undefined
  }

  /** @throws the error of the filter */
  wants (entry: SseEntry): boolean {
    return !this.ended && (this.startAfter === undefined || compareIds(entry.id, this.startAfter) > 0) && (this.filter === undefined || decision(this.filter(entry, this.channel.name, this.context), 'filter'))
  }

  /** The channel has delivered every entry up to an id. */
  passed (id: string): void {
    if (this.startAfter !== undefined && compareIds(id, this.startAfter) >= 0) this.startAfter = undefined
  }

  /** Receives no more entries. */
  end (): void {
    if (this.ended) return
    this.ended = true
    this.channel.remove(this)
  }

  /** Whether the stream ends after an entry. @throws the error of `until` */
  endsAfter (entry: SseEntry): boolean {
    return this.until !== undefined && decision(this.until(entry, this.channel.name, this.context), 'until')
  }
}

/** An entry, and the subscription that it belongs to. */
export interface SubscribedEntry {
  readonly entry: SseEntry
  readonly subscription: Subscription
}

/** For sorting entries of several channels by their ids. */
export function compareEntries (a: SubscribedEntry, b: SubscribedEntry): number {
  return compareIds(a.entry.id, b.entry.id)
}
