/* The connection of the market's page: it is cut, comes back, and knows what was sent again. No DOM in here. */
/* global EventSource */

/** Types of events that hold what happened on the market. */
const NEWS = ['candle', 'quotes', 'statistics']
/** Milliseconds without a sign of the server, which gives one every five seconds, after which a connection is dead. */
const SILENCE = 16_000
/** Milliseconds before another try, where the browser makes none by itself. */
const RETRY = 3_000

/**
 * Follows an instrument. It calls
 *
 * - `on.news(type, data, time)` with all that happens, in its order; the time is the server's
 * - `on.state(state, at)` with `connecting`, `open`, `reconnecting`, or `cut`, and when the last event before a cut was,
 *   by the server's clock, until that was caught up with
 * - `on.back({ at, seconds, replayed })` when it was: how long there was no connection, and how many events were sent
 *   again
 * - `on.lost(reset)` when the server does not have any more what was missed; with a reset, not the market, either
 */
export class MarketStream {
  #on
  #source
  #symbol
  #market
  /** Of the last event that was seen. */
  #lastEventId
  /** When the server was last heard of, by `performance.now()`. */
  #heardAt
  /** The cut that was not caught up with yet; `since` is by `performance.now()`, `at` and `openedAt` by the server's clock. */
  #cut
  #timer

  constructor (on) {
    this.#on = on
    setInterval(() => this.#watch(), 1_000)
  }

  /** @param market the one that was loaded, @param lastEventId what came after it is sent */
  follow (symbol, market, lastEventId) {
    this.#symbol = symbol
    this.#market = market
    this.#lastEventId = lastEventId
    this.#cut = undefined
    this.#connect('connecting')
  }

  /** Cuts the connection, and asks again after a while. @param ms milliseconds */
  cut (ms) {
    this.#lose()
    this.#connectIn(ms)
    this.#tell('cut')
  }

  close () {
    clearTimeout(this.#timer)
    this.#source?.close()
    this.#source = undefined
  }

  #connect (state) {
    this.close()
    this.#heardAt = performance.now()
    this.#tell(state)
    const query = new URLSearchParams({ symbol: this.#symbol, market: this.#market, lastEventId: this.#lastEventId })
    const source = this.#source = new EventSource(`market/stream?${query}`)
    for (const type of NEWS) source.addEventListener(type, event => this.#received(event))
    source.addEventListener('opened', ({ data }) => this.#opened(JSON.parse(data)))
    source.addEventListener('heartbeat', () => this.#quiet())
    source.addEventListener('sse-gap', ({ data }) => this.#missed(JSON.parse(data)))
    for (const type of ['another', 'sse-reset']) source.addEventListener(type, () => this.#on.lost(true))
    source.addEventListener('error', () => this.#failed())
  }

  #tell (state) {
    this.#on.state(state, this.#cut?.at)
  }

  #connectIn (ms) {
    this.close()
    this.#timer = setTimeout(() => this.#connect('reconnecting'), ms)
  }

  #lose () {
    this.#cut ??= { since: performance.now(), at: timeOf(this.#lastEventId), replayed: 0 }
    this.#cut.openedAt = undefined
  }

  #failed () {
    this.#lose()
    // At any answer but a stream, a browser gives up.
    if (this.#source.readyState === EventSource.CLOSED) this.#connectIn(RETRY)
    this.#tell('reconnecting')
  }

  /** A connection may die without a word. */
  #watch () {
    if (this.#source === undefined || performance.now() - this.#heardAt < SILENCE) return
    this.#lose()
    this.#connect('reconnecting')
  }

  #opened ({ time }) {
    this.#heardAt = performance.now()
    if (this.#cut !== undefined) this.#cut.openedAt = time
    this.#tell('open')
  }

  #received ({ type, data, lastEventId }) {
    this.#heardAt = performance.now()
    this.#lastEventId = lastEventId
    if (this.#cut !== undefined) {
      if (timeOf(lastEventId) < this.#cut.openedAt) this.#cut.replayed++
      else this.#caughtUp()
    }
    this.#on.news(type, JSON.parse(data), timeOf(lastEventId))
  }

  /** Nothing has happened for a while, so that nothing is on its way, either. */
  #quiet () {
    this.#heardAt = performance.now()
    if (this.#cut !== undefined) this.#caughtUp()
  }

  #caughtUp () {
    const { since, at, replayed } = this.#cut
    this.#cut = undefined
    this.#on.back({ at, seconds: (performance.now() - since) / 1_000, replayed })
  }

  #missed ({ gaps }) {
    // All prices and statistics are in every event of theirs; of candles, none may be missing.
    if (gaps.some(({ channel }) => channel.includes(':candles:'))) this.#on.lost(false)
  }
}

/** When an event was published, in milliseconds since 1970: its id has the form `<epoch>.<milliseconds>-<number>`. */
export function timeOf (id) {
  return Number(/\.(\d+)-/.exec(id)[1])
}
