import type { SseEntry } from '../wire/entry.ts'
import { epochOf, laterId } from '../wire/event-id.ts'
import type { RedisLog } from './redis-log.ts'
import type { SubscribedChannel } from './subscribed-channel.ts'

/** The listeners of this process by channel. Delivers entries and breaks to them. */
export class Listeners {
  readonly #log: Pick<RedisLog, 'observe'>
  readonly #channels = new Map<string, SubscribedChannel>()
  #epoch = ''
  #position = ''
  #closed = false

  constructor (log: Pick<RedisLog, 'observe'>) {
    this.#log = log
  }

  /** The epoch of the log that listeners follow; empty before the log is known. */
  get epoch (): string {
    return this.#epoch
  }

  /** Every entry up to this id was delivered, in all channels. */
  get position (): string {
    return this.#position
  }

  get channels (): ReadonlyMap<string, SubscribedChannel> {
    return this.#channels
  }

  get joinedChannels (): SubscribedChannel[] {
    return Array.from(this.#channels.values()).filter(({ position }) => position !== undefined)
  }

  addChannel (channel: SubscribedChannel): void {
    this.#channels.set(channel.pubsubChannel, channel)
  }

  removeChannel (pubsubChannel: string): void {
    this.#channels.delete(pubsubChannel)
  }

  deliver (channel: SubscribedChannel, entry: SseEntry): void {
    channel.position = entry.id
    for (const subscription of channel.subscriptions) {
      if (this.#closed) return
      subscription.deliver(entry)
    }
  }

  /** Records that every entry up to this id was delivered. */
  advance (id: string): void {
    this.#position = laterId(this.#position, id)
    this.#log.observe(id)
  }

  /** Tells listeners that they may have missed entries, and continues after an id. */
  announceBreak (channels: SubscribedChannel[], id: string): void {
    for (const channel of channels) channel.moveTo(id)
    for (const subscription of channels.flatMap(({ subscriptions }) => [...subscriptions])) {
      if (this.#closed) return
      subscription.announceBreak()
    }
  }

  /** Follows another log, after an id. Every listener may have missed entries. */
  startEpoch (id: string): void {
    this.#epoch = epochOf(id)!
    this.#position = id
    this.announceBreak(this.joinedChannels, id)
  }

  /** @param error rejects subscriptions that have not joined yet */
  close (error: Error): void {
    this.#closed = true
    for (const { joined } of this.#channels.values()) joined.reject(error)
    this.#channels.clear()
  }
}
