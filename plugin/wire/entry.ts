import { SSE_ERR_EVENT } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import { isId } from './event-id.ts'
import { assertEncodable, encode } from './event.ts'

/**
 * An event to publish, without an id. Its data is already serialized. It has data, a type, a retry or a comment, each of which
 * can be sent: see {@link assertPayload}.
 */
export interface SsePayload {
  readonly data?: string | undefined
  readonly event?: string | undefined
  readonly retry?: number | undefined
  readonly comment?: string | undefined
  /** Identifies what the event updates, for the option `overflow: 'latest'`. Clients do not receive it. */
  readonly key?: string | undefined
}

/**
 * Asserts that a payload can be sent to clients. A broker calls it for everything that is published.
 *
 * @throws SSE_ERR_EVENT unless data, comment and key are strings; the type is a single line without NUL that does not start with
 *   `sse-`; `retry` is a non-negative integer; and there is data, a type, a retry or a comment
 */
export function assertPayload (payload: unknown): asserts payload is SsePayload {
  if (typeof payload !== 'object' || payload === null) throw new SSE_ERR_EVENT('A payload must be an object', `received ${describe(payload)}`)
  const { data, event, retry, comment, key } = payload as SsePayload
  assertEncodable(data, { event, retry, comment })
  if (key !== undefined && typeof key !== 'string') throw new SSE_ERR_EVENT('Event field `key` must be a string', `received ${describe(key)}`)
}

/**
 * Returns an entry that a broker has delivered, if it can be sent. Another version or copy of this package, or another program,
 * may have created or published it.
 *
 * @throws SSE_ERR_EVENT
 */
export let receiveEntry: (value: unknown) => SseEntry

/** Creates an entry that `receiveEntry` need not check. @param payload was checked by {@link assertPayload} */
export let createEntry: (id: string, payload: SsePayload) => SseEntry

/** Whether `receiveEntry` accepts a value. */
export function canBeSent (value: unknown): boolean {
  try {
    receiveEntry(value)
    return true
  } catch {
    return false
  }
}

/** A published event, as brokers keep and deliver it. It never changes. */
export class SseEntry implements SsePayload {
  /** Whether `receiveEntry` has checked it. */
  #isChecked = false

  static {
    receiveEntry = value => {
      if (typeof value === 'object' && value !== null && #isChecked in value && value.#isChecked) return value
      assertPayload(value)
      const { id } = value as SseEntry
      if (!isId(id)) throw new SSE_ERR_EVENT('The id of an entry must have the form `<epoch>.<ms>-<seq>`', `received ${describe(id)}`)
      const entry = #isChecked in value ? value : new SseEntry(id, value)
      entry.#isChecked = true
      return entry
    }
    createEntry = (id, payload) => {
      const entry = new SseEntry(id, payload)
      entry.#isChecked = true
      return entry
    }
  }

  readonly id: string
  readonly data: string | undefined
  readonly event: string | undefined
  readonly retry: number | undefined
  readonly comment: string | undefined
  readonly key: string | undefined
  /** The size of the event's text and id in bytes, which counts toward the limit of a history. */
  readonly bytes: number

  constructor (id: string, payload: SsePayload) {
    const { data, event, retry, comment, key } = payload
    this.id = id
    this.data = data
    this.event = event
    this.retry = retry
    this.comment = comment
    this.key = key
    this.bytes = id.length + sizeOf(payload)
  }

  /** Encodes the event. */
  frame (spaceAfterColon: boolean): string {
    return `id:${spaceAfterColon ? ' ' : ''}${this.id}\n${this.frameWithoutId(spaceAfterColon)}`
  }

  /** Encodes the event for a client whose last event id is already later. */
  frameWithoutId (spaceAfterColon: boolean): string {
    const { data, event, retry, comment } = this
    return encode(data, { event, retry, comment }, spaceAfterColon)
  }
}

/** The size of an event's text in bytes. */
export function sizeOf ({ data, event, comment, key }: SsePayload): number {
  return bytesOf(data) + bytesOf(event) + bytesOf(comment) + bytesOf(key)
}

function bytesOf (text: string | undefined): number {
  // A received entry is checked only after it was created.
  return typeof text === 'string' ? Buffer.byteLength(text) : 0
}
