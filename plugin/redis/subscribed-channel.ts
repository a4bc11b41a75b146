import { Deferred } from '../base/deferred.ts'
import type { SseBrokerListener } from '../channels/broker.ts'

export interface ListenerSubscription {
  readonly listener: SseBrokerListener
  /** The listener has received every entry up to this id. */
  position: string
}

/** A channel with at least one listener in this process. */
export class SubscribedChannel {
  readonly name: string
  readonly pubsubChannel: string
  readonly subscriptions = new Set<ListenerSubscription>()
  /** Resolves when everything that is published from then on is received. */
  readonly joined = new Deferred<void>()
  /** Every entry up to this id was received; undefined until the channel has joined. */
  position: string | undefined

  constructor (name: string, pubsubChannel: string) {
    this.name = name
    this.pubsubChannel = pubsubChannel
  }

  /** Continues after an id, whatever was received before. */
  continueAfter (id: string): void {
    this.position = id
    for (const subscription of this.subscriptions) subscription.position = id
  }
}
