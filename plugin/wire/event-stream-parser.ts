/** What the parser yields. */
export type EventStreamItem =
  /** An event that the standard dispatches. `lastEventId` is its own id, or the last one before it. */
  | { readonly kind: 'event', readonly type: string, readonly data: string, readonly lastEventId: string }
  /** A new id in a block without data, for which nothing is dispatched. */
  | { readonly kind: 'id', readonly lastEventId: string }
  /** A new reconnection time, in milliseconds. */
  | { readonly kind: 'retry', readonly retry: number }
  | { readonly kind: 'comment', readonly text: string }
  /** A field that the standard ignores. */
  | { readonly kind: 'unknown', readonly field: string, readonly value: string }

export interface EventStreamParserOptions {
  /** The `Last-Event-ID` of the request. As in browsers, it applies until the stream sets another. */
  readonly lastEventId?: string
  /** The maximum length of an event's data and of a field's value, as `lengthOf` measures it. */
  readonly maxLength?: number
  /** Measures a part of a line; UTF-16 code units unless it is set. */
  readonly lengthOf?: (text: string) => number
  /** Creates the error that is thrown when an event or a line exceeds `maxLength`. */
  readonly lengthError?: (maxLength: number) => Error
  /** Decodes the next chunk, which may end within a character, and keeps a byte order mark; a TextDecoder unless it is set. */
  readonly decode?: (chunk: Uint8Array) => string
}

/**
 * Parses the bytes of one `text/event-stream`, split into chunks anywhere, as the HTML standard defines
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).
 *
 * The demo serves the text of this class to its pages, so the class must not use anything else of this module.
 */
export class EventStreamParser {
  readonly #decode: (chunk: Uint8Array) => string
  readonly #maxLength: number
  readonly #lengthOf: (text: string) => number
  readonly #lengthError: (maxLength: number) => Error
  #started = false
  #endedWithCR = false
  #incompleteLine = ''
  #lineLength = 0
  #inBlock = false
  // The buffers of the standard. Dispatching an event resets all but the id.
  #data: string | undefined
  #dataLength = 0
  #type = ''
  #id: string
  #lastEventId: string

  constructor ({ lastEventId = '', maxLength = Infinity, lengthOf = text => text.length, lengthError = max => new RangeError(`An event has more than ${max} characters`), decode }: EventStreamParserOptions = {}) {
    this.#id = this.#lastEventId = lastEventId
    this.#maxLength = maxLength
    this.#lengthOf = lengthOf
    this.#lengthError = lengthError
    this.#decode = decode ?? this.#textDecoder()
  }

  /** The id to send as `Last-Event-ID` when reconnecting: the one that applied at the last blank line. */
  get lastEventId (): string {
    return this.#lastEventId
  }

  /** Whether the stream would end within a line or an event, which the standard discards. */
  get incomplete (): boolean {
    return this.#inBlock || this.#incompleteLine !== ''
  }

  /**
   * Parses the next chunk. Items are parsed as they are requested, so request all of them before the next chunk.
   *
   * @throws `lengthError`, after which the parser must not be used
   */
  * push (chunk: Uint8Array): Generator<EventStreamItem, void, undefined> {
    const text = this.#normalize(this.#decode(chunk))
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      this.#extendLine(text.slice(start, end))
      start = end + 1
      const item = this.#incompleteLine === '' ? this.#endBlock() : this.#parseLine()
      if (item !== undefined) yield item
    }
    this.#extendLine(text.slice(start))
  }

  #textDecoder (): (chunk: Uint8Array) => string {
    // The byte order mark is removed by `#normalize`: Node.js 24 removes two if the first is split between chunks.
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    return chunk => decoder.decode(chunk, { stream: true })
  }

  /** Removes the byte order mark, and makes every line end with LF. */
  #normalize (text: string): string {
    if (text === '') return text
    if (!this.#started && text.startsWith('\uFEFF')) text = text.slice(1)
    this.#started = true
    // A CR ends its line without waiting for the LF that may follow in the next chunk, and is then ignored.
    if (this.#endedWithCR && text.startsWith('\n')) text = text.slice(1)
    this.#endedWithCR = text.endsWith('\r')
    return text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text
  }

  /** Each part is measured once, however many chunks a line has. */
  #extendLine (text: string): void {
    if (text === '') return
    this.#incompleteLine += text
    this.#lineLength += this.#lengthOf(text)
    if (this.#lineLength > this.#maxLength + 'data: '.length) throw this.#lengthError(this.#maxLength)
  }

  #parseLine (): EventStreamItem | undefined {
    const line = this.#incompleteLine
    const length = this.#lineLength
    this.#incompleteLine = ''
    this.#lineLength = 0
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === '') return { kind: 'comment', text: value }
    // A retry applies immediately, so that nothing of it would be discarded.
    this.#inBlock ||= field !== 'retry'
    switch (field) {
      case 'data':
        // The name of the field and the colon are one unit per character in any measure.
        this.#dataLength += length - (line.length - value.length) + (this.#data === undefined ? 0 : 1)
        this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
        if (this.#dataLength > this.#maxLength) throw this.#lengthError(this.#maxLength)
        return undefined
      case 'event':
        this.#type = value
        return undefined
      case 'id':
        if (!value.includes('\0')) this.#id = value
        return undefined
      case 'retry':
        return /^[0-9]+$/.test(value) ? { kind: 'retry', retry: Number(value) } : undefined
      default:
        return { kind: 'unknown', field, value }
    }
  }

  /** Handles a blank line. */
  #endBlock (): EventStreamItem | undefined {
    const data = this.#data
    const type = this.#type || 'message'
    const lastEventId = this.#id
    const isNewId = lastEventId !== this.#lastEventId
    this.#inBlock = false
    this.#data = undefined
    this.#dataLength = 0
    this.#type = ''
    this.#lastEventId = lastEventId
    if (data !== undefined) return { kind: 'event', type, data, lastEventId }
    return isNewId ? { kind: 'id', lastEventId } : undefined
  }
}
