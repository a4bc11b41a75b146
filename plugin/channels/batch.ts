import type { SseEntry } from '../wire/entry.ts'
import { SharedText } from '../wire/shared-text.ts'

/** One pass in which all channels deliver their batches. */
export interface Delivery {
  /** On the clock of `currentTime()`. */
  readonly now: number
}

/** Entries that are delivered together, for example all that were published to a channel in one turn of the event loop. */
export class Batch {
  readonly entries: readonly SseEntry[]
  /** Without and with a space after each colon. */
  readonly #encoded: Array<SharedText | undefined> = [undefined, undefined]

  constructor (entries: readonly SseEntry[]) {
    this.entries = entries
  }

  get lastId (): string {
    return this.entries.at(-1)!.id
  }

  /** Returns the text of all entries, which is encoded once for all subscribers. */
  encode (spaceAfterColon: boolean): SharedText {
    const index = Number(spaceAfterColon)
    this.#encoded[index] ??= new SharedText(this.#frames(spaceAfterColon))
    return this.#encoded[index]
  }

  #frames (spaceAfterColon: boolean): string {
    let text = ''
    for (const entry of this.entries) text += entry.frame(spaceAfterColon)
    return text
  }
}
