import { SSE_ERR_BROKER_CLOSED } from '../base/errors.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import { BrokerSubscription } from '../channels/broker-subscription.ts'
import type { SseBrokerListener, SseBrokerSubscription } from '../channels/broker.ts'
import { parsePayload } from '../channels/payload-text.ts'
import { canBeSent, SseEntry } from '../wire/entry.ts'
import { compareIds, isId, millisecondsOf } from '../wire/event-id.ts'
import { SSE_ERR_BROKER_BUSY } from './errors.ts'
import type { PubSubMessage } from './held-messages.ts'
import type { RedisKeys } from './keys.ts'
import { Listeners } from './listeners.ts'
import { Markers } from './delivery-markers.ts'
import { parseEntryMessage, parseMarkerMessage } from './message-format.ts'
import { PubSubSubscriptions, type PubSubHandler } from './pubsub-subscriptions.ts'
import type { ReconnectingClient } from './reconnecting-client.ts'
import { Recovery } from './recovery.ts'
import type { RedisLog } from './redis-log.ts'
import { SubscribedChannel } from './subscribed-channel.ts'
import { SubscriptionProbe } from './subscription-probe.ts'

/** Milliseconds by which the clock of Redis may be ahead of this process's. */
const MAX_CLOCK_DIFFERENCE = 60 * 60_000

export interface LiveTailOptions {
  readonly keys: RedisKeys
  /** The pub/sub channel on which this broker receives its markers. */
  readonly markerChannel: string
  readonly wheel: TimerWheel
  readonly commands: ReconnectingClient
  /** The connection that receives all messages. */
  readonly subscriber: ReconnectingClient
  readonly sharded: boolean
  readonly log: RedisLog
  /** Milliseconds between probes. */
  readonly probe: number
  /** Subscriptions that may wait for Redis. */
  readonly maxWaiting: number
}

/**
 * Follows channels live and delivers their entries to listeners. One connection receives the messages of all channels, in
 * the order of their ids. A {@link Recovery} delivers what may have been missed: after the connection was lost, when it
 * doesn't receive every message, and when Redis has another log.
 */
export class LiveTail implements PubSubHandler {
  readonly #options: LiveTailOptions
  readonly #listeners: Listeners
  readonly #markers: Markers
  readonly #subscriptions: PubSubSubscriptions
  readonly #recovery: Recovery
  readonly #probe: SubscriptionProbe
  #waiting = 0
  #closed = false

  constructor (options: LiveTailOptions) {
    const { commands, subscriber, sharded, log, wheel, probe } = options
    this.#options = options
    const listeners = this.#listeners = new Listeners(log)
    const markers = this.#markers = new Markers(log, subscriber)
    this.#subscriptions = new PubSubSubscriptions(subscriber, sharded, this)
    this.#recovery = new Recovery({ commands, subscriber, log, markers, listeners, processMessage: message => { this.#process(message) } })
    this.#probe = new SubscriptionProbe({ wheel, interval: probe, markers, listeners, isPaused: () => this.#recovery.isRunning, onLoss: () => { this.#replaceConnection() } })
  }

  start (): void {
    this.recover()
    this.#probe.start()
  }

  async subscribe (channelName: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    if (this.#waiting >= this.#options.maxWaiting) throw new SSE_ERR_BROKER_BUSY()
    const listeners = this.#listeners
    const pubsubChannel = this.#options.keys.pubsubChannel(channelName)
    const channel = listeners.channels.get(pubsubChannel) ?? this.#addChannel(channelName, pubsubChannel)
    const subscription = new BrokerSubscription({
      listener,
      start: listeners.position,
      delivered: () => listeners.position,
      unsubscribe: subscription => { this.#unsubscribe(channel, subscription) }
    })
    channel.subscriptions.add(subscription)
    this.#waiting++
    await channel.joined.promise.finally(() => { this.#waiting-- })
    return subscription
  }

  #unsubscribe (channel: SubscribedChannel, subscription: BrokerSubscription): void {
    const { subscriptions, pubsubChannel } = channel
    subscriptions.delete(subscription)
    // Another channel of the same name may have replaced it since.
    if (subscriptions.size > 0 || this.#listeners.channels.get(pubsubChannel) !== channel) return
    this.#listeners.removeChannel(pubsubChannel)
    this.#subscriptions.leave(pubsubChannel)
  }

  #addChannel (name: string, pubsubChannel: string): SubscribedChannel {
    const channel = new SubscribedChannel(name, pubsubChannel)
    this.#listeners.addChannel(channel)
    this.#subscriptions.join(channel)
    return channel
  }

  /** Subscribes a new connection to everything. Messages are held from here on. */
  async prepare (): Promise<void> {
    this.recover()
    await this.#subscriptions.restore([this.#options.markerChannel, ...this.#listeners.channels.keys()])
  }

  /** Recovers messages that may have been lost. */
  recover (): void {
    this.#recovery.start()
  }

  close (): void {
    this.#closed = true
    this.#subscriptions.close()
    this.#probe.stop()
    this.#listeners.close(new SSE_ERR_BROKER_CLOSED())
    this.#recovery.close()
  }

  hasListeners (pubsubChannel: string): boolean {
    return this.#listeners.channels.has(pubsubChannel)
  }

  onRefused (channels: SubscribedChannel[], error: unknown): void {
    for (const { pubsubChannel, joined } of channels) {
      this.#listeners.removeChannel(pubsubChannel)
      joined.reject(error)
    }
  }

  /** Sends a marker, after which everything published to the channels is received. */
  async onSubscribed (channels: SubscribedChannel[]): Promise<void> {
    const { commands, subscriber } = this.#options
    const marker = this.#markers.create(lastId => {
      for (const channel of channels) {
        channel.moveTo(lastId)
        channel.joined.resolve()
      }
    })
    while (this.#markers.isPending(marker)) {
      try {
        await commands.ready
        await subscriber.ready
        await this.#markers.send(marker, [])
      } catch {
        // The loop retries once both connections are ready, unless a recovery has ended the marker by then.
        if (this.#closed) return
      }
    }
  }

  readonly onMessage = (message: string, pubsubChannel: string): void => {
    if (this.#closed) return
    if (pubsubChannel === this.#options.markerChannel) {
      const marker = parseMarkerMessage(message)
      if (this.#recovery.arrive(marker)) return
      this.#markers.arrive(marker.name)
    }
    if (this.#recovery.isRunning) this.#recovery.hold({ message, pubsubChannel })
    else this.#process({ message, pubsubChannel })
  }

  #process ({ message, pubsubChannel }: PubSubMessage): void {
    if (pubsubChannel === this.#options.markerChannel) this.#processMarker(message)
    else this.#processEntry(message, pubsubChannel)
  }

  #processMarker (message: string): void {
    const { name, epoch, lastId } = parseMarkerMessage(message)
    if (epoch !== this.#listeners.epoch || !isId(lastId)) return
    this.#listeners.advance(lastId)
    this.#markers.process(name, lastId)
  }

  #processEntry (message: string, pubsubChannel: string): void {
    const { epoch, id, previousId, payload } = parseEntryMessage(message)
    if (epoch !== this.#listeners.epoch) {
      this.#probe.probeSoon()
      return
    }
    const channel = this.#listeners.channels.get(pubsubChannel)
    if (!isId(id) || !isId(previousId)) {
      // Another program has published it. Listeners read the history, which shows whether they have missed an entry.
      if (channel?.position !== undefined) this.#listeners.announceBreak([channel], channel.position)
      return
    }
    if (!this.#isPlausible(id)) {
      this.recover()
      return
    }
    if (channel?.position !== undefined && compareIds(id, channel.position) > 0) {
      if (compareIds(previousId, channel.position) > 0) {
        this.#replaceConnection()
        return
      }
      const entry = new SseEntry(id, parsePayload(payload))
      this.#listeners.deliver(channel, entry)
      // Another program has published it, and may have made up its id.
      if (!canBeSent(entry)) return
    }
    this.#listeners.advance(id)
  }

  /**
   * Whether the log may have assigned an id by now. Another program may have made it up, and a log that lacks an id that this
   * broker knows counts as lost, so a later one is looked up in the log instead.
   */
  #isPlausible (id: string): boolean {
    const earliest = millisecondsOf(id) - MAX_CLOCK_DIFFERENCE
    return earliest <= Date.now() || earliest <= millisecondsOf(this.#listeners.position)
  }

  /** The connection doesn't receive everything that is published. */
  #replaceConnection (): void {
    this.recover()
    this.#options.subscriber.disconnect(new Error('Redis did not deliver everything that was published'))
  }
}
