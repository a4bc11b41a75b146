import type { Readable } from 'node:stream'
import { EventStreamParser } from '../wire/event-stream-parser.ts'

/** Unread characters at which the response is paused, so that its sender gets backpressure. */
const MAX_UNREAD = 64 * 1024

/** An event as a browser dispatches it. */
export interface InjectedEvent {
  /** `message` for an event without a type. */
  readonly event: string
  readonly data: string
  /** The id of the event, or the last one before it; an empty string if there was none. */
  readonly id: string
}

/** Parses an event stream as it is written, and keeps its events until they are read. */
export class UnreadEvents {
  readonly comments: string[] = []
  retry: number | undefined
  readonly #body: Readable
  readonly #parser: EventStreamParser
  readonly #events: InjectedEvent[] = []
  /** The length of the data of `#events`. */
  #length = 0
  /** Reads that wait for an event, in order. */
  readonly #reads: Array<(event: InjectedEvent | undefined) => void> = []
  #ended = false

  constructor (body: Readable, lastEventId: string) {
    this.#body = body
    this.#parser = new EventStreamParser({ lastEventId })
    body.on('data', (chunk: Uint8Array) => { this.#parse(chunk) })
    // A response that was cut off ends here too.
    body.on('error', () => {})
    body.once('close', () => { this.#end() })
    if (body.closed) this.#end()
  }

  /** Resolves with the next event, or undefined at the end of the stream. */
  async next (): Promise<InjectedEvent | undefined> {
    const event = this.#events.shift()
    if (event === undefined) return this.#ended ? undefined : await new Promise(resolve => { this.#reads.push(resolve) })
    this.#length -= event.data.length
    if (this.#length < MAX_UNREAD) this.#body.resume()
    return event
  }

  #parse (chunk: Uint8Array): void {
    for (const item of this.#parser.push(chunk)) {
      if (item.kind === 'event') this.#add({ event: item.type, data: item.data, id: item.lastEventId })
      else if (item.kind === 'comment') this.comments.push(item.text)
      else if (item.kind === 'retry') this.retry = item.retry
    }
    if (this.#length >= MAX_UNREAD) this.#body.pause()
  }

  #add (event: InjectedEvent): void {
    const read = this.#reads.shift()
    if (read !== undefined) return read(event)
    this.#events.push(event)
    this.#length += event.data.length
  }

  #end (): void {
    this.#ended = true
    for (const read of this.#reads.splice(0)) read(undefined)
  }
}
