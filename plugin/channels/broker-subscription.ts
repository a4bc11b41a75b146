import { notify } from '../base/callbacks.ts'
import { warnOf } from '../base/logging.ts'
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

/** Reports a listener that throws or, although it must not be async, rejects. The other listeners still receive the entry. */
function warn (error: unknown): void {
  warnOf(error, 'A listener of a broker threw')
}

/** A listener's subscription at a broker that delivers the entries of all channels in the order of their ids. */
export class BrokerSubscription implements SseBrokerSubscription {
  readonly unsubscribe: () => void
  readonly #listener: SseBrokerListener
  readonly #onEntry = (entry: SseEntry): void => this.#listener.onEntry(entry)
  readonly #delivered: () => string
  /** The last entry delivered to this listener, or where it starts. */
  #last: string

  constructor ({ listener, start, delivered, unsubscribe }: BrokerSubscriptionOptions) {
    this.#listener = listener
    this.unsubscribe = () => unsubscribe(this)
    this.#delivered = delivered
    this.#last = start
  }

  get position (): string {
    return laterId(this.#last, this.#delivered())
  }

  deliver (entry: SseEntry): void {
    this.#last = entry.id
    notify(this.#onEntry, [entry], warn)
  }

  /** Tells the listener that it may have missed entries. */
  announceBreak (): void {
    notify(() => this.#listener.onBreak(), [], warn)
  }

  /** Continues after another id, whatever was delivered before. */
  moveTo (id: string): void {
    this.#last = id
  }
}
