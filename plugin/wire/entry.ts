import { encode } from './event.ts'

/** An event to publish, without an id. Its data is already serialized. */
export interface SsePayload {
  readonly data?: string | undefined
  readonly event?: string | undefined
  readonly retry?: number | undefined
  readonly comment?: string | undefined
  /** Identifies what the event updates, for the option `overflow: 'latest'`. Clients do not receive it. */
  readonly key?: string | undefined
}

/** A published event, as brokers keep and deliver it. It never changes. */
export class SseEntry implements SsePayload {
  readonly id: string
  readonly data: string | undefined
  readonly event: string | undefined
  readonly retry: number | undefined
  readonly comment: string | undefined
  readonly key: string | undefined
  /** The size of the event's text and id in bytes, which counts toward the limit of a history. */
  readonly bytes: number

  constructor (id: string, { data, event, retry, comment, key }: SsePayload) {
    this.id = id
    this.data = data
    this.event = event
    this.retry = retry
    this.comment = comment
    this.key = key
    this.bytes = id.length + bytesOf(data) + bytesOf(event) + bytesOf(comment) + bytesOf(key)
  }

  /** Encodes the event. @param space whether to write a space after each colon */
  frame (space: boolean): string {
    return `id:${space ? ' ' : ''}${this.id}\n${this.frameWithoutId(space)}`
  }

  /** Encodes the event for a client whose last event id is already later. */
  frameWithoutId (space: boolean): string {
    const { data, event, retry, comment } = this
    return encode(data, { event, retry, comment }, space)
  }
}

function bytesOf (text: string | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(text)
}
