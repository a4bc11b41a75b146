import type { SseBroker, SseBrokerListener, SseBrokerSubscription } from '../channels/broker.ts'
import type { SseEntry } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'
import { isEnd } from './run-log.ts'

export interface RunLogObserver {
  /** The log has a terminal event, perhaps of another process. */
  onEnd (end: SseEntry): void
  /** The log may have a terminal event that was not delivered, or may have lost entries. */
  onBreak (): void
}

/** Watches the log of a run, from before it is begun, so that no end is missed. An end of an earlier run does not count. */
export class RunLogWatch implements SseBrokerListener {
  readonly #broker: SseBroker
  readonly #channel: string
  readonly #observer: RunLogObserver
  #subscription: Promise<SseBrokerSubscription> | undefined
  #isBegun = false
  /** A terminal event that arrived before the broker has confirmed the beginning. */
  #earlyEnd: SseEntry | undefined

  constructor (broker: SseBroker, channel: string, observer: RunLogObserver) {
    this.#broker = broker
    this.#channel = channel
    this.#observer = observer
  }

  async subscribe (): Promise<void> {
    this.#subscription = this.#broker.subscribe(this.#channel, this)
    await this.#subscription
  }

  unsubscribe (): void {
    this.#subscription!.then(subscription => subscription.unsubscribe(), () => {})
  }

  /** @param id the id of the beginning */
  onBegun (id: string): void {
    this.#isBegun = true
    if (this.#earlyEnd !== undefined && compareIds(this.#earlyEnd.id, id) > 0) this.#observer.onEnd(this.#earlyEnd)
  }

  onEntry (entry: SseEntry): void {
    if (!isEnd(entry)) return
    if (this.#isBegun) this.#observer.onEnd(entry)
    else this.#earlyEnd = entry
  }

  onBreak (): void {
    if (this.#isBegun) this.#observer.onBreak()
  }
}
