import { Deferred } from '../base/deferred.ts'
import type { BrokerSubscription } from '../channels/broker-subscription.ts'

/** A channel with at least one listener in this process. */
export class SubscribedChannel {
  readonly name: string
  readonly pubsubChannel: string
  readonly subscriptions = new Set<BrokerSubscription>()
  /** Resolves when everything that is published from then on is received. */
  readonly joined = new Deferred<void>()
  /** Every entry up to this id was received; undefined until the channel has joined. */
  position: string | undefined

  constructor (name: string, pubsubChannel: string) {
    this.name = name
    this.pubsubChannel = pubsubChannel
  }

  /** Continues after another id, whatever was received before. */
  moveTo (id: string): void {
    this.position = id
    for (const subscription of this.subscriptions) subscription.moveTo(id)
  }
}
