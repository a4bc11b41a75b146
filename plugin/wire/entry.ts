import { encode } from './event.ts'

/** What is published: an event without its id, its data turned into text. */
export interface SsePayload {
  readonly data?: string | undefined
  readonly event?: string | undefined
  readonly retry?: number | undefined
  readonly comment?: string | undefined
  /** What the event is the latest of, for the option `overflow: 'latest'`. It does not go to clients. */
  readonly key?: string | undefined
}

/** A published event, as a broker keeps it and hands it out. It does not change. */
export class SseEntry implements SsePayload {
  readonly id: string
  readonly data: string | undefined
  readonly event: string | undefined
  readonly retry: number | undefined
  readonly comment: string | undefined
  readonly key: string | undefined
  /** What it takes of a history, in bytes. */
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

  /** The event on the wire. @param space whether a space follows each colon */
  frame (space: boolean): string {
    return `id:${space ? ' ' : ''}${this.id}\n${this.frameWithoutId(space)}`
  }

  /** The event on the wire, for a client that stands at a later id. */
  frameWithoutId (space: boolean): string {
    const { data, event, retry, comment } = this
    return encode(data, { event, retry, comment }, space)
  }
}

function bytesOf (text: string | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(text)
}
