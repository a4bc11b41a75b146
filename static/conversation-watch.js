/* Reads an answer from any event to its end, without losing or repeating a word. Does not use the DOM. */
/* global addEventListener, EventSource */

const ENDS = ['done', 'failed', 'aborted']
/** Milliseconds without an event before a reconnect, because the connection may be dead. */
const TIMEOUT = 30_000
/** Milliseconds before each reconnect if the browser has given up; the last value applies to all further ones. */
const RETRY_DELAYS = [1_000, 2_000, 4_000, 8_000]

/**
 * Reads an answer. It calls
 *
 * - `on.change()` when `content`, `reasoning` or `state` changes; the state is `connecting`, `open` or `reconnecting`
 * - `on.end(type, data)` with the event that ended the answer, or `on.lost()` if the server no longer has it; then the
 *   stream is closed
 */
export class AnswerWatch {
  content
  reasoning
  /** The id of the last event in `content` and `reasoning`. */
  lastEventId
  state = 'connecting'
  #url
  #on
  #source
  /** When the last event was received, as `performance.now()`. */
  #receivedAt
  #attempts = 0
  #retryTimer
  #timeoutInterval
  #closed = new AbortController()

  /** @param answer with the part received so far */
  constructor ({ url, content, reasoning = '', lastEventId }, on) {
    this.#url = url
    this.#on = on
    this.content = content
    this.reasoning = reasoning
    this.lastEventId = lastEventId
    this.#timeoutInterval = setInterval(() => this.#checkTimeout(), 1_000)
    // The connection may have broken while the browser was offline.
    addEventListener('online', () => this.#connect(), { signal: this.#closed.signal })
    this.#connect()
  }

  close () {
    clearInterval(this.#timeoutInterval)
    clearTimeout(this.#retryTimer)
    this.#closed.abort()
    this.#source.close()
  }

  #connect () {
    clearTimeout(this.#retryTimer)
    this.#source?.close()
    this.#receivedAt = performance.now()
    const source = this.#source = new EventSource(this.#currentUrl)
    const handle = (type, listener) => source.addEventListener(type, event => this.#onEvent(event, listener))
    handle('open', () => {})
    handle('sse-ready', () => {})
    handle('delta', ({ text }) => { this.content += text })
    handle('reasoning', ({ text }) => { this.reasoning += text })
    handle('sse-reset', () => this.#clear())
    source.addEventListener('sse-gap', () => this.#restart())
    for (const type of ENDS) source.addEventListener(type, ({ data }) => this.#end(type, JSON.parse(data)))
    source.addEventListener('error', () => this.#onError())
  }

  get #currentUrl () {
    return this.lastEventId === undefined ? this.#url : `${this.#url}?${new URLSearchParams({ lastEventId: this.lastEventId })}`
  }

  #onEvent ({ data = 'null', lastEventId }, listener) {
    this.#receivedAt = performance.now()
    this.#attempts = 0
    listener(JSON.parse(data))
    // An `open` event has no id.
    this.lastEventId = lastEventId ?? this.lastEventId
    this.#setState('open')
  }

  #setState (state) {
    this.state = state
    this.#on.change()
  }

  #end (type, data) {
    this.close()
    this.#on.end(type, data)
  }

  /** Clears the content, because the server sends the whole answer again. */
  #clear () {
    this.content = ''
    this.reasoning = ''
  }

  #restart () {
    this.#clear()
    this.lastEventId = undefined
    this.#connect()
    this.#setState('connecting')
  }

  async #onError () {
    const source = this.#source
    this.#setState('reconnecting')
    if (source.readyState !== EventSource.CLOSED) return
    // EventSource does not report the status of a rejected request.
    const status = await fetchStatus(this.#currentUrl)
    if (this.#source !== source || this.#closed.signal.aborted) return
    if (status === 404 || status === 410) {
      this.close()
      this.#on.lost()
    } else if (status === 204) {
      this.#restart()
    } else {
      this.#retryTimer = setTimeout(() => this.#connect(), RETRY_DELAYS[this.#attempts++] ?? RETRY_DELAYS.at(-1))
    }
  }

  #checkTimeout () {
    if (performance.now() - this.#receivedAt >= TIMEOUT) this.#connect()
  }
}

async function fetchStatus (url) {
  try {
    const { status } = await fetch(url, { method: 'HEAD', cache: 'no-store' })
    return status
  } catch {}
}
