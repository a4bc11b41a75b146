import type { SseEntry } from '../wire/entry.ts'
import { compareIds, epochOf } from '../wire/event-id.ts'
import type { SsePage } from './broker.ts'

const MAX_ENTRIES = 512
const MAX_BYTES = 1024 * 1024

/**
 * The latest entries of a channel, kept in this process so that a subscriber that falls behind for a moment catches up
 * without a request to the broker.
 */
export class RecentEntries {
  #entries: SseEntry[] = []
  #bytes = 0
  /** Every entry after this id is here; undefined until `startAfter` is called. */
  #start: string | undefined

  /** Declares that every entry after an id will be added. Only the first call has an effect. */
  startAfter (id: string): void {
    this.#start ??= id
  }

  /** Removes all entries and starts again after an id. */
  restartAfter (id: string): void {
    this.#entries = []
    this.#bytes = 0
    this.#start = id
  }

  add (entry: SseEntry): void {
    this.#entries.push(entry)
    this.#bytes += entry.bytes
    if (this.#entries.length > MAX_ENTRIES || this.#bytes > MAX_BYTES) this.#removeOlderHalf()
  }

  /**
   * Reads the entries after an id, which may be any text.
   *
   * @param end every entry up to this id was added
   * @returns undefined if entries may be missing
   */
  read (after: string, count: number, end: string): SsePage | undefined {
    const start = this.#start
    if (start === undefined || epochOf(after) !== epochOf(start) || compareIds(after, start) < 0 || compareIds(after, end) > 0) return undefined
    let from = this.#entries.length
    while (from > 0 && compareIds(this.#entries[from - 1]!.id, after) > 0) from--
    return { entries: this.#entries.slice(from, from + count), more: this.#entries.length - from > count, known: true, lost: undefined, clock: end }
  }

  /** Half of the entries go at once, because removing one from the front of an array is as expensive as copying it. */
  #removeOlderHalf (): void {
    const removed = Math.ceil(this.#entries.length / 2)
    this.#start = this.#entries[removed - 1]!.id
    this.#entries = this.#entries.slice(removed)
    this.#bytes = this.#entries.reduce((bytes, entry) => bytes + entry.bytes, 0)
  }
}
