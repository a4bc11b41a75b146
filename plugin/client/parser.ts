import { SseClientError } from './errors.ts'

/** One event, as an EventSource would dispatch it. */
export interface SseMessage {
  /** The event's type; `message` where it has none. */
  readonly type: string
  readonly data: string
  /** The id that a client names when it comes back after this event: its own, or the last one before it. */
  readonly id: string
}

/** Something that is complete in a stream. */
export type StreamItem =
  | { readonly kind: 'event', readonly message: SseMessage }
  /** An event without data, which is not dispatched but counts for the id. */
  | { readonly kind: 'id', readonly id: string }
  | { readonly kind: 'retry', readonly ms: number }
  | { readonly kind: 'comment' }

/** What a line of data has beside it. */
const LABEL = 'data: '.length

/**
 * Reads the bytes of one `text/event-stream` as the HTML standard says (section "Interpreting an event stream"),
 * however they are cut into chunks.
 *
 * As in browsers, and other than in the standard, an id outlives the connection: the first event of a new one that has
 * no id does not make the client forget where it stands.
 */
export class EventStreamParser {
  // The byte order mark is taken off here, because Node.js 24 takes off two where the first one comes in pieces.
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  readonly #maxLength: number
  #begun = false
  #endedWithCR = false
  /** What came since the last line end. */
  #rest = ''
  // The standard's buffers.
  #data = ''
  #type = ''
  #id: string

  /**
   * @param maxLength characters (UTF-16 code units) that the data of an event may have; no line may have more, either
   * @param id the last id of the connection before
   */
  constructor (maxLength: number, id = '') {
    this.#maxLength = maxLength
    this.#id = id
  }

  /**
   * Reads on.
   *
   * @returns what the chunk completes, one after the other
   * @throws SSE_ERR_TOO_LARGE, after which there is no reading on
   */
  * push (chunk: Uint8Array): Generator<StreamItem, void> {
    let text = this.#utf8.decode(chunk, { stream: true })
    if (text === '') return
    if (!this.#begun && text.startsWith('\uFEFF')) text = text.slice(1)
    this.#begun = true
    // A CR ends its line without waiting for what follows; a LF that does follow belongs to it.
    if (this.#endedWithCR && text.startsWith('\n')) text = text.slice(1)
    this.#endedWithCR = text.endsWith('\r')
    const lines = text.split(/\r\n|\n|\r/)
    lines[0] = this.#rest + lines[0]
    this.#rest = lines.pop()!
    for (const line of lines) {
      const item = this.#interpret(line)
      if (item !== undefined) yield item
    }
    this.#limit(this.#rest, LABEL)
  }

  #interpret (line: string): StreamItem | undefined {
    if (line === '') return this.#dispatch()
    this.#limit(line, LABEL)
    if (line.startsWith(':')) return { kind: 'comment' }
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    switch (field) {
      case 'data':
        this.#data += `${value}\n`
        // The last line end is none of the event's.
        this.#limit(this.#data, 1)
        break
      case 'event':
        this.#type = value
        break
      case 'id':
        if (!value.includes('\0')) this.#id = value
        break
      case 'retry':
        if (/^[0-9]+$/.test(value)) return { kind: 'retry', ms: Number(value) }
    }
    return undefined
  }

  #dispatch (): StreamItem {
    const id = this.#id
    const type = this.#type || 'message'
    const data = this.#data
    this.#type = ''
    this.#data = ''
    // Without any data field there is no event; with an empty one there is.
    return data === '' ? { kind: 'id', id } : { kind: 'event', message: { type, data: data.slice(0, -1), id } }
  }

  #limit ({ length }: string, spare: number): void {
    if (length <= this.#maxLength + spare) return
    throw new SseClientError('SSE_ERR_TOO_LARGE', `An event has more than ${this.#maxLength} characters, which is the option maxEventLength`)
  }
}
