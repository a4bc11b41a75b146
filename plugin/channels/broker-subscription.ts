import type { SseEntry } from '../wire/entry.ts'
import { laterId } from '../wire/event-id.ts'
import type { SseBrokerListener, SseBrokerSubscription } from './broker.ts'

/** Options of {@link BrokerSubscription}. */
export interface BrokerSubscriptionOptions {
  readonly listener: SseBrokerListener
  /** The id after which the subscription starts. */
  readonly start: string
  /** Returns the id up to which the broker has delivered the entries of all channels to all listeners. */
  readonly delivered: () => string
  readonly unsubscribe: (subscription: BrokerSubscription) => void
}

/** A listener's subscription at a broker that delivers the entries of all channels in the order of their ids. */
export class BrokerSubscription implements SseBrokerSubscription {
  readonly listener: SseBrokerListener
  readonly unsubscribe: () => void
  readonly #delivered: () => string
  /** The last entry delivered to this listener, or where it starts. */
  #last: string

  constructor ({ listener, start, delivered, unsubscribe }: BrokerSubscriptionOptions) {
    this.listener = listener
    this.unsubscribe = () => unsubscribe(this)
    this.#delivered = delivered
    this.#last = start
  }

  get position (): string {
    return laterId(this.#last, this.#delivered())
  }

  deliver (entry: SseEntry): void {
    this.#last = entry.id
    this.listener.onEntry(entry)
  }

  /** Continues after another id, whatever was delivered before. */
  moveTo (id: string): void {
    this.#last = id
  }
}
