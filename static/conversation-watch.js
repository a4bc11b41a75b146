/* How an answer is watched: from anywhere in it, to its end, without a lost or doubled word. No DOM in here. */
/* global addEventListener, EventSource */

const ENDS = ['done', 'failed', 'aborted']
/** Milliseconds without an event after which the connection may have died without a word. */
const SILENCE = 30_000
/** Milliseconds before another try, where the browser makes none by itself: more with each, up to the last. */
const PAUSES = [1_000, 2_000, 4_000, 8_000]

/**
 * Watches an answer. It calls
 *
 * - `on.change()` when there is more of `content` or `reasoning`, or `state` is another one: `connecting`, `open` or
 *   `reconnecting`
 * - `on.end(type, data)` with the event by which the answer has ended, or `on.lost()` where the server does not know it
 *   any more; then it is closed
 */
export class AnswerWatch {
  content
  reasoning
  /** Of the last event that `content` and `reasoning` have. */
  lastEventId
  state = 'connecting'
  #url
  #on
  #source
  /** By `performance.now()`. */
  #heardAt
  #attempts = 0
  #pause
  #silence
  #closed = new AbortController()

  /** @param answer where it is, and what there is of it already */
  constructor ({ url, content, reasoning = '', lastEventId }, on) {
    this.#url = url
    this.#on = on
    this.content = content
    this.reasoning = reasoning
    this.lastEventId = lastEventId
    this.#silence = setInterval(() => this.#listen(), 1_000)
    // Whether the connection has survived is not for sure, and asking again costs nothing.
    addEventListener('online', () => this.#connect(), { signal: this.#closed.signal })
    this.#connect()
  }

  close () {
    clearInterval(this.#silence)
    clearTimeout(this.#pause)
    this.#closed.abort()
    this.#source.close()
  }

  #connect () {
    clearTimeout(this.#pause)
    this.#source?.close()
    this.#heardAt = performance.now()
    const source = this.#source = new EventSource(this.#address)
    const take = (type, listener) => source.addEventListener(type, event => this.#take(event, listener))
    take('open', () => {})
    take('sse-ready', () => {})
    take('delta', ({ text }) => { this.content += text })
    take('reasoning', ({ text }) => { this.reasoning += text })
    take('sse-reset', () => this.#forget())
    source.addEventListener('sse-gap', () => this.#restart())
    for (const type of ENDS) source.addEventListener(type, ({ data }) => this.#end(type, JSON.parse(data)))
    source.addEventListener('error', () => this.#failed())
  }

  get #address () {
    return this.lastEventId === undefined ? this.#url : `${this.#url}?${new URLSearchParams({ lastEventId: this.lastEventId })}`
  }

  #take ({ data = 'null', lastEventId }, listener) {
    this.#heardAt = performance.now()
    this.#attempts = 0
    listener(JSON.parse(data))
    // That the connection is open says nothing of where.
    this.lastEventId = lastEventId ?? this.lastEventId
    this.#tell('open')
  }

  #tell (state) {
    this.state = state
    this.#on.change()
  }

  #end (type, data) {
    this.close()
    this.#on.end(type, data)
  }

  /** All of the answer comes again. */
  #forget () {
    this.content = ''
    this.reasoning = ''
  }

  #restart () {
    this.#forget()
    this.lastEventId = undefined
    this.#connect()
    this.#tell('connecting')
  }

  async #failed () {
    const source = this.#source
    this.#tell('reconnecting')
    if (source.readyState !== EventSource.CLOSED) return
    // It was refused, and the browser does not say why.
    const status = await statusOf(this.#address)
    if (this.#source !== source || this.#closed.signal.aborted) return
    if (status === 404 || status === 410) {
      this.close()
      this.#on.lost()
    } else if (status === 204) {
      this.#restart()
    } else {
      this.#pause = setTimeout(() => this.#connect(), PAUSES[this.#attempts++] ?? PAUSES.at(-1))
    }
  }

  #listen () {
    if (performance.now() - this.#heardAt >= SILENCE) this.#connect()
  }
}

async function statusOf (url) {
  try {
    const { status } = await fetch(url, { method: 'HEAD', cache: 'no-store' })
    return status
  } catch {}
}
