/* Reads text/event-stream. No DOM in here. */

/**
 * Decodes the bytes of one response as the HTML standard says
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation), however they are cut
 * into chunks. Each thing that a chunk completes is one of:
 *
 * - `{ kind: 'event', type, data, lastEventId }`, what an EventSource dispatches
 * - `{ kind: 'comment', text }` and `{ kind: 'retry', ms }`, which it keeps from scripts
 */
globalThis.EventStreamDecoder = class EventStreamDecoder {
  /** The id that a client names when it comes back: that of the last event that was over. */
  lastEventId

  // The byte order mark is left in, for those who want to see it; the decoder takes it off itself.
  #utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  #atStart = true
  /** What came since the last line end. */
  #rest = ''
  #endedWithCR = false
  /** Whether there was a field since the last blank line. */
  #inEvent = false

  // The standard's buffers. That of the id outlives its event.
  #data = ''
  #type = ''
  #id

  /** @param lastEventId with which the client has come back; it is the last one until another comes, as in browsers */
  constructor (lastEventId = '') {
    this.lastEventId = this.#id = lastEventId
  }

  /** @returns the text of the chunk, and what the chunk completed; a character that was cut counts to where it ends */
  push (bytes) {
    const text = this.#utf8.decode(bytes, { stream: true })
    return { text, items: this.#lines(text).flatMap(line => this.#interpret(line)) }
  }

  /** @returns the text that was still waited for, and whether an event was: the standard discards it */
  end () {
    const text = this.#utf8.decode()
    return { text, incomplete: this.#inEvent || this.#rest + text !== '' }
  }

  #lines (text) {
    if (text === '') return []
    if (this.#atStart && text.startsWith('\uFEFF')) text = text.slice(1)
    this.#atStart = false
    // A CR ends its line without waiting for what follows; a LF that does follow belongs to it.
    if (this.#endedWithCR && text.startsWith('\n')) text = text.slice(1)
    this.#endedWithCR = text.endsWith('\r')
    const lines = (this.#rest + text).split(/\r\n|\n|\r/)
    this.#rest = lines.pop()
    return lines
  }

  #interpret (line) {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (colon === 0) return [{ kind: 'comment', text: value }]
    this.#inEvent = true
    switch (field) {
      case 'data':
        this.#data += `${value}\n`
        break
      case 'event':
        this.#type = value
        break
      case 'id':
        if (!value.includes('\0')) this.#id = value
        break
      case 'retry':
        if (/^[0-9]+$/.test(value)) return [{ kind: 'retry', ms: Number(value) }]
    }
    return []
  }

  #dispatch () {
    const type = this.#type || 'message'
    const data = this.#data
    this.#inEvent = false
    this.#type = ''
    this.#data = ''
    this.lastEventId = this.#id
    // Without any data field there is no event; with an empty one there is.
    if (data === '') return []
    return [{ kind: 'event', type, data: data.slice(0, -1), lastEventId: this.#id }]
  }
}

/** The chunks of a body; not every browser can iterate it by itself. */
globalThis.chunks = async function * chunks (body) {
  if (body === null) return
  const reader = body.getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
}
