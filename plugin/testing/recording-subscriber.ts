import type { SseBrokerListener, SseBrokerSubscription } from '../channels/broker.ts'
import type { SseEntry } from '../wire/entry.ts'
import { idsOf } from './entries.ts'

/** A subscriber of one channel that records what it receives. */
export class RecordingSubscriber implements SseBrokerListener {
  readonly channel: string
  readonly entries: SseEntry[] = []
  breaks = 0
  /** Set once `subscribe` has resolved. */
  subscription!: SseBrokerSubscription
  readonly #onEntry: (entry: SseEntry) => void

  /** @param onEntry called after an entry was recorded */
  constructor (channel: string, onEntry: (entry: SseEntry) => void) {
    this.channel = channel
    this.#onEntry = onEntry
  }

  get ids (): string[] {
    return idsOf(this.entries)
  }

  onEntry (entry: SseEntry): void {
    this.entries.push(entry)
    this.#onEntry(entry)
  }

  onBreak (): void {
    this.breaks++
  }
}
