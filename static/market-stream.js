/* The connection of the market page. It can be cut, reconnects, and counts replayed events. Does not use the DOM. */
/* global EventSource */

/** Types of events about the market. */
const MARKET_EVENTS = ['candle', 'quotes', 'statistics']
/** Milliseconds without data before a reconnect. The server sends a heartbeat every five seconds. */
const HEARTBEAT_TIMEOUT = 16_000
/** Milliseconds before a reconnect if the browser has given up. */
const RETRY = 3_000

/**
 * Follows an instrument. It calls
 *
 * - `on.event(type, data, time)` for each event, in order; the time is the server's
 * - `on.state(state, at)` with `connecting`, `open`, `reconnecting` or `cut`; after a disconnect and until every missed
 *   event is replayed, `at` is the time of the last event before it
 * - `on.caughtUp({ at, seconds, replayed })` when every missed event is replayed
 * - `on.lost(reset)` if the server no longer has the missed events or, with `reset`, the market itself
 */
export class MarketStream {
  #on
  #source
  #symbol
  #market
  #lastEventId
  /** When data was last received, as `performance.now()`. */
  #receivedAt
  /** The current disconnect, until missed events are replayed. `since` is `performance.now()`, `at` and `openedAt` are on the server's clock. */
  #outage
  #timer

  constructor (on) {
    this.#on = on
    setInterval(() => this.#checkTimeout(), 1_000)
  }

  /** @param market the id of the market that was loaded @param lastEventId the event to resume after */
  follow (symbol, market, lastEventId) {
    this.#symbol = symbol
    this.#market = market
    this.#lastEventId = lastEventId
    this.#outage = undefined
    this.#connect('connecting')
  }

  /** Cuts the connection, and reconnects after a delay. */
  cut (ms) {
    this.#beginOutage()
    this.#connectIn(ms)
    this.#setState('cut')
  }

  close () {
    clearTimeout(this.#timer)
    this.#source?.close()
    this.#source = undefined
  }

  #connect (state) {
    this.close()
    this.#receivedAt = performance.now()
    this.#setState(state)
    const query = new URLSearchParams({ symbol: this.#symbol, market: this.#market, lastEventId: this.#lastEventId })
    const source = this.#source = new EventSource(`market/stream?${query}`)
    for (const type of MARKET_EVENTS) source.addEventListener(type, event => this.#onEvent(event))
    source.addEventListener('opened', ({ data }) => this.#onOpened(JSON.parse(data)))
    source.addEventListener('heartbeat', () => this.#onHeartbeat())
    source.addEventListener('sse-gap', ({ data }) => this.#onGap(JSON.parse(data)))
    for (const type of ['another', 'sse-reset']) source.addEventListener(type, () => this.#on.lost(true))
    source.addEventListener('error', () => this.#onError())
  }

  #setState (state) {
    this.#on.state(state, this.#outage?.at)
  }

  #connectIn (ms) {
    this.close()
    this.#timer = setTimeout(() => this.#connect('reconnecting'), ms)
  }

  #beginOutage () {
    this.#outage ??= { since: performance.now(), at: timeOf(this.#lastEventId), replayed: 0 }
    this.#outage.openedAt = undefined
  }

  #onError () {
    this.#beginOutage()
    // A browser gives up at any response that is not an event stream.
    if (this.#source.readyState === EventSource.CLOSED) this.#connectIn(RETRY)
    this.#setState('reconnecting')
  }

  /** Reconnects if the connection is dead. */
  #checkTimeout () {
    if (this.#source === undefined || performance.now() - this.#receivedAt < HEARTBEAT_TIMEOUT) return
    this.#beginOutage()
    this.#connect('reconnecting')
  }

  #onOpened ({ time }) {
    this.#receivedAt = performance.now()
    if (this.#outage !== undefined) this.#outage.openedAt = time
    this.#setState('open')
  }

  #onEvent ({ type, data, lastEventId }) {
    this.#receivedAt = performance.now()
    this.#lastEventId = lastEventId
    if (this.#outage !== undefined) {
      if (timeOf(lastEventId) < this.#outage.openedAt) this.#outage.replayed++
      else this.#endOutage()
    }
    this.#on.event(type, JSON.parse(data), timeOf(lastEventId))
  }

  /** A heartbeat is sent after a silence, so no missed event can still be on its way. */
  #onHeartbeat () {
    this.#receivedAt = performance.now()
    if (this.#outage !== undefined) this.#endOutage()
  }

  #endOutage () {
    const { since, at, replayed } = this.#outage
    this.#outage = undefined
    this.#on.caughtUp({ at, seconds: (performance.now() - since) / 1_000, replayed })
  }

  #onGap ({ gaps }) {
    // Every other event repeats all prices or all statistics.
    if (gaps.some(({ channel }) => channel.includes(':candles:'))) this.#on.lost(false)
  }
}

/** When an event was published, in milliseconds since 1970; ids have the form `<epoch>.<milliseconds>-<number>`. */
export function timeOf (id) {
  return Number(/\.(\d+)-/.exec(id)[1])
}
