import { Deferred } from '../base/deferred.ts'
import { SSE_ERR_PARTITION } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import type { SseBroker } from './broker.ts'
import type { Subscription, SubscriptionParameters } from './subscription.ts'

/** The options of `emitter.subscribe()`, combined with the client's last event id. */
export interface SubscribeParameters extends SubscriptionParameters {
  /** The id after which the client starts; undefined for the beginning of the history. */
  readonly after: string | undefined
  /** Whether the client starts with the next event. Then `after` is ignored. */
  readonly now: boolean
  readonly markers: boolean
}

/**
 * Asserts that channels are in the same partition: the client has one last id for all of them, and ids of different partitions
 * cannot be compared.
 *
 * @throws SSE_ERR_PARTITION
 */
export function assertSamePartition (broker: SseBroker, first: string, others: readonly string[]): void {
  const partition = broker.partition?.(first)
  for (const name of others) {
    if (broker.partition?.(name) !== partition) throw new SSE_ERR_PARTITION(`received ${describe(first)} and ${describe(name)}`)
  }
}

/** A call of `emitter.subscribe()` that is not finished. */
export class SubscribeRequest {
  readonly subscriptions: readonly Subscription[]
  readonly parameters: SubscribeParameters
  /** Resolves once the broker delivers every entry that is published to the channels from then on. */
  readonly ready: Promise<unknown>
  /** Settled once the client was sent a marker. */
  readonly done = new Deferred<void>()

  constructor (subscriptions: readonly Subscription[], parameters: SubscribeParameters) {
    this.subscriptions = subscriptions
    this.parameters = parameters
    this.ready = Promise.all(subscriptions.map(async subscription => await subscription.channel.add(subscription)))
    this.ready.catch(() => {})
  }

  /** Ends the subscriptions. */
  fail (error: unknown): void {
    for (const subscription of this.subscriptions) subscription.end()
    this.done.reject(error)
  }
}
