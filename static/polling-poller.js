/* Polls the server. Does not use the DOM. */
/* global PerformanceObserver */

import { assertOk } from './answer.js'

/** Milliseconds before a request times out. */
const TIMEOUT = 10_000

/**
 * Polls at an interval, with one request at a time. It calls
 *
 * - `on.response(body, { sentAt, receivedAt, time })` with the JSON, when the request was sent and the headers arrived, as
 *   `performance.now()`, and the server's time
 * - `on.error(error)` if a request fails
 *
 * The browser measures the cost, and reports it a little later.
 */
export class Poller {
  requests = 0
  bytes = 0
  connections = 0
  #url
  #on
  #interval
  #controller
  #sentAt
  /** The timer of the next request; undefined during a request. */
  #timer

  /** @param url absolute @param interval milliseconds from one request to the next */
  constructor (url, interval, on) {
    this.#url = url
    this.#interval = interval
    this.#on = on
    new PerformanceObserver(list => {
      for (const entry of list.getEntriesByName(url)) this.#count(entry)
    }).observe({ type: 'resource' })
  }

  start () {
    this.#controller = new AbortController()
    this.#request(this.#controller.signal)
  }

  stop () {
    this.#controller?.abort()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Changes the interval, including the current one. */
  setInterval (ms) {
    this.#interval = ms
    if (this.#timer !== undefined) this.#schedule(this.#controller.signal)
  }

  #schedule (signal) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#request(signal), Math.max(this.#sentAt + this.#interval - performance.now(), 0))
  }

  async #request (signal) {
    const sentAt = this.#sentAt = performance.now()
    this.#timer = undefined
    this.requests++
    try {
      // The browser sends the ETag of its cached response, and uses that response after a 304.
      const response = await fetch(this.#url, { cache: 'no-cache', signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]) })
      const receivedAt = performance.now()
      assertOk(response)
      this.#on.response(await response.json(), { sentAt, receivedAt, time: Number(response.headers.get('x-time')) })
    } catch (error) {
      if (signal.aborted) return
      this.#on.error(error)
    }
    this.#schedule(signal)
  }

  #count ({ transferSize, fetchStart, connectEnd }) {
    this.bytes += transferSize
    // On a connection that is reused, both times are equal.
    if (connectEnd > fetchStart) this.connections++
  }
}
