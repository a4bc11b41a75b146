import { currentTime } from '../base/clock.ts'
import { atEndOfTick, atEndOfTurn, type TickTask, type TurnTask } from '../base/event-loop.ts'
import type { Delivery } from './batch.ts'
import type { SseBroker } from './broker.ts'
import { ChannelSubscribers, type ChannelSubscribersOwner } from './channel-subscribers.ts'

/**
 * A channel with up to this many subscribers delivers at the end of the current callback instead of the current turn. With
 * few subscribers, writing more often costs less than waiting for a busy event loop.
 */
const FEW_SUBSCRIBERS = 8

/**
 * The channels that have subscribers in this process. Delivers to them what is published.
 *
 * Entries that are published in one turn of the event loop are delivered together at its end. All channels deliver in one
 * pass, so that a subscriber of several channels receives entries in the order of their ids. Entries that are published
 * during a pass are delivered in the next one.
 */
export class FanOut implements ChannelSubscribersOwner, TickTask, TurnTask {
  readonly broker: SseBroker
  readonly #channels = new Map<string, ChannelSubscribers>()
  /** Channels with pending entries. */
  #scheduled: ChannelSubscribers[] = []
  #delivering = false

  constructor (broker: SseBroker) {
    this.broker = broker
  }

  [Symbol.iterator] (): Iterator<ChannelSubscribers> {
    return this.#channels.values()
  }

  /** Returns the subscribers of a channel. Subscribes to the channel at the broker if it has none yet. */
  channel (name: string): ChannelSubscribers {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      channel = new ChannelSubscribers(name, this)
      this.#channels.set(name, channel)
    }
    return channel
  }

  /** The number of subscribers of a channel in this process. */
  subscriberCount (name: string): number {
    return this.#channels.get(name)?.size ?? 0
  }

  schedule (channel: ChannelSubscribers): void {
    if (this.#scheduled.push(channel) > 1) return
    // A filter may publish each time it is called. Waiting for the next turn keeps that from blocking the event loop.
    if (channel.size <= FEW_SUBSCRIBERS && !this.#delivering) atEndOfTick(this)
    else atEndOfTurn(this)
  }

  remove (channel: ChannelSubscribers): void {
    if (this.#channels.get(channel.name) === channel) this.#channels.delete(channel.name)
  }

  endTick (): void {
    this.flush()
  }

  endTurn (): void {
    this.flush()
  }

  flush (): void {
    if (this.#delivering || this.#scheduled.length === 0) return
    const channels = this.#scheduled
    this.#scheduled = []
    this.#delivering = true
    for (const channel of channels) channel.prepareBatch()
    const delivery: Delivery = { now: currentTime() }
    for (const channel of channels) channel.deliver(delivery)
    for (const channel of channels) channel.batch = undefined
    this.#delivering = false
  }
}
