import { currentTime } from '../base/clock.ts'
import { nextTurn } from '../base/event-loop.ts'
import type { SsePayload } from '../wire/entry.ts'
import type { SseFields } from '../wire/event.ts'

/** Characters at which joined text is published, however soon it was yielded. */
const MAX_TEXT = 16 * 1024

/** Items published or joined before the event loop can do other work, in case the producer never waits. */
export const ITEMS_PER_TURN = 128

export interface CoalescerTarget {
  /** Serializes an item. @returns undefined if it exceeds a limit, after which the run has ended. @throws if it can't be sent */
  admit (data: unknown, fields: SseFields | undefined): SsePayload | undefined
  /** Publishes an item. It is called again only when its promise has resolved. */
  publish (payload: SsePayload): Promise<void>
  /** Called with an error that no item can report, because the producer may not yield another one for a long time. */
  fail (error: unknown): void
}

const RESOLVED = Promise.resolve()

/** The next item to publish. */
interface HeldItem {
  readonly data: unknown
  readonly fields: SseFields | undefined
  /** Its text, to which that of the following items is added; undefined if it is not text. */
  text: string | undefined
}

/**
 * Publishes the items of a producer, and joins text: at most one event of text is published per interval, and further text waits
 * for the end of the interval. Text after a longer pause, and items that are not text, never wait.
 *
 * The order is kept, and everything yielded is published before the terminal event. While the broker is slow, more text is
 * joined. The producer waits at {@link MAX_TEXT} characters, and when an item follows that can't be joined.
 */
export class TextCoalescer {
  readonly #interval: number
  readonly #target: CoalescerTarget
  #held: HeldItem | undefined
  #timer: NodeJS.Timeout | undefined
  #publishedAt = -Infinity
  /** Resolves when everything but the held item is published. */
  #published = RESOLVED
  #joined = 0
  /** Whether an item was not published. No other may follow the gap. */
  #hasGap = false

  /** @param interval milliseconds */
  constructor (interval: number, target: CoalescerTarget) {
    this.#interval = interval
    this.#target = target
  }

  /** @returns a promise if the producer must wait */
  send (data: unknown, fields: SseFields | undefined): Promise<void> | undefined {
    const text = textOf(data, fields)
    if (text !== undefined && this.#held !== undefined && canJoin(this.#held, data, fields)) return this.#join(this.#held, text)
    const published = this.#held && this.flush()
    if (this.#hasGap) return published
    // The producer may change its object.
    this.#held = { data: text === undefined || typeof data === 'string' ? data : { ...data as object }, fields, text }
    const delay = this.#publishedAt + this.#interval - currentTime()
    if (text === undefined || delay <= 0) return this.flush()
    this.#timer = setTimeout(this.#onTimeout, Math.ceil(delay))
    return published
  }

  #join (held: HeldItem, text: string): Promise<void> | undefined {
    held.text += text
    if (held.text!.length >= MAX_TEXT) return this.flush()
    return ++this.#joined % ITEMS_PER_TURN === 0 ? nextTurn() : undefined
  }

  /** While an event is being published, the next one collects more text. */
  readonly #onTimeout = (): void => {
    this.#published.then(() => this.flush()).catch(error => this.#target.fail(error))
  }

  /** Publishes the held item, if there is one. @returns a promise that resolves when all items are published */
  flush (): Promise<void> {
    const held = this.#held
    if (held !== undefined) {
      this.discard()
      this.#publishedAt = currentTime()
      const payload = this.#target.admit(withJoinedText(held), held.fields)
      if (payload === undefined) this.#hasGap = true
      else this.#published = this.#published.then(() => this.#target.publish(payload))
    }
    return this.#published
  }

  /** Publishes what was yielded before the end of the run. Never rejects. */
  async flushBeforeEnd (): Promise<void> {
    // First, the run has to count as ended: text that exceeds a limit must not end it again.
    await RESOLVED
    try {
      await this.flush()
    } catch {
      // The run has failed with this error, or has ended otherwise.
    }
  }

  /** Drops the held item, because its run has ended. */
  discard (): void {
    this.#held = undefined
    clearTimeout(this.#timer)
  }
}

/** Returns the text of a string, or of a flat object with no fields but an event type; undefined for any other item. */
function textOf (data: unknown, fields: SseFields | undefined): string | undefined {
  for (const name in fields) if (name !== 'event') return undefined
  if (typeof data === 'string') return looksLikeJson(data) ? undefined : data
  if (!isPlainObject(data) || typeof data.text !== 'string') return undefined
  // The content of a nested object may change before the text is published.
  for (const name in data) if (Object(data[name]) === data[name]) return undefined
  return data.text
}

/** Whether two items that are text differ in nothing but their text. */
function canJoin (held: HeldItem, data: unknown, fields: SseFields | undefined): boolean {
  if (held.text === undefined || held.fields?.event !== fields?.event) return false
  if (typeof data === 'string' || typeof held.data === 'string') return typeof data === typeof held.data
  const [first, second] = [held.data, data] as [Record<string, unknown>, Record<string, unknown>]
  return Object.keys(first).length === Object.keys(second).length &&
    Object.keys(second).every(name => name === 'text' || (Object.hasOwn(first, name) && first[name] === second[name]))
}

function withJoinedText ({ data, text }: HeldItem): unknown {
  if (text === undefined) return data
  return typeof data === 'string' ? text : { ...data as object, text }
}

/** Two joined documents would not be valid JSON. */
function looksLikeJson (text: string): boolean {
  return text.length > 1 && '{["'.includes(text[0]!) && '}]"'.includes(text.at(-1)!)
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))
}
