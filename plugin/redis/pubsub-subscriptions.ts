import { CHANNELS_PER_COMMAND, inBatches } from './batches.ts'
import { isOutage, toBrokerError } from './error-classification.ts'
import type { ReconnectingClient } from './reconnecting-client.ts'
import type { SubscribedChannel } from './subscribed-channel.ts'

export interface PubSubHandler {
  /** Called for each message. */
  readonly onMessage: (message: string, pubsubChannel: string) => void
  /** Whether the channel still has listeners. */
  hasListeners (pubsubChannel: string): boolean
  /** Called when Redis has confirmed the subscriptions. */
  onSubscribed (channels: SubscribedChannel[]): void
  /** Called when Redis has refused the subscriptions. */
  onRefused (channels: SubscribedChannel[], error: unknown): void
}

/**
 * Subscribes one connection to pub/sub channels and unsubscribes it, one command after the other, so that a
 * channel to which a listener subscribes again during the unsubscribe command ends up subscribed.
 */
export class PubSubSubscriptions {
  readonly #client: ReconnectingClient
  readonly #sharded: boolean
  readonly #handler: PubSubHandler
  readonly #joining = new Set<SubscribedChannel>()
  /** Pub/sub channels that lost their last listener. */
  readonly #leaving = new Set<string>()
  #working = false
  #closed = false

  /** @param sharded whether to use the sharded pub/sub of Redis Cluster */
  constructor (client: ReconnectingClient, sharded: boolean, handler: PubSubHandler) {
    this.#client = client
    this.#sharded = sharded
    this.#handler = handler
  }

  join (channel: SubscribedChannel): void {
    this.#joining.add(channel)
    this.#work()
  }

  leave (pubsubChannel: string): void {
    this.#leaving.add(pubsubChannel)
    this.#work()
  }

  /** Subscribes a new connection. */
  async restore (pubsubChannels: string[]): Promise<void> {
    await Promise.all(inBatches(pubsubChannels, CHANNELS_PER_COMMAND).map(batch => this.#subscribe(batch)))
  }

  close (): void {
    this.#closed = true
  }

  async #work (): Promise<void> {
    if (this.#working) return
    this.#working = true
    while (!this.#closed && (this.#joining.size > 0 || this.#leaving.size > 0)) {
      try {
        await this.#client.ready
        await this.#leaveSome()
        await this.#joinSome()
      } catch {
        // Retried on the next connection, which doesn't subscribe to the channels that were to be left.
      }
    }
    this.#working = false
  }

  async #leaveSome (): Promise<void> {
    const batch = Array.from(this.#leaving).slice(0, CHANNELS_PER_COMMAND)
    for (const pubsubChannel of batch) this.#leaving.delete(pubsubChannel)
    const left = batch.filter(pubsubChannel => !this.#handler.hasListeners(pubsubChannel))
    if (left.length > 0) await this.#client.perform(connection => this.#sharded ? connection.sUnsubscribe(left) : connection.unsubscribe(left))
  }

  async #joinSome (): Promise<void> {
    const batch = Array.from(this.#joining).slice(0, CHANNELS_PER_COMMAND)
    if (batch.length === 0) return
    try {
      await this.#subscribe(batch.map(({ pubsubChannel }) => pubsubChannel))
    } catch (error) {
      if (isOutage(error)) throw error
      for (const channel of batch) this.#joining.delete(channel)
      this.#handler.onRefused(batch, toBrokerError(error))
      return
    }
    for (const channel of batch) this.#joining.delete(channel)
    this.#handler.onSubscribed(batch)
  }

  async #subscribe (pubsubChannels: string[]): Promise<void> {
    const { onMessage } = this.#handler
    await this.#client.perform(connection => this.#sharded ? connection.sSubscribe(pubsubChannels, onMessage) : connection.subscribe(pubsubChannels, onMessage))
  }
}
