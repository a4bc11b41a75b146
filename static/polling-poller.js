/* Who asks again and again. No DOM in here. */
/* global PerformanceObserver */

import { assertOk } from './answer.js'

/** Milliseconds after which there is no answer any more. */
const PATIENCE = 10_000

/**
 * Asks at an interval, and never twice at a time. It calls
 *
 * - `on.answer(answer, { sentAt, receivedAt, time })` with the JSON, when it was asked for and its head was there, by
 *   `performance.now()`, and what the server's clock said
 * - `on.failed(error)` where there was no answer
 *
 * What it costs is as the browser has measured it, and comes a little later.
 */
export class Poller {
  requests = 0
  bytes = 0
  connections = 0
  #url
  #on
  #interval
  #controller
  #askedAt
  /** Of the next request; undefined while one is on its way. */
  #timer

  /** @param url an absolute one, @param interval in milliseconds, from request to request */
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
    this.#ask(this.#controller.signal)
  }

  stop () {
    this.#controller?.abort()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Changes the interval, also for the request that is waited for. @param ms milliseconds */
  every (ms) {
    this.#interval = ms
    if (this.#timer !== undefined) this.#askLater(this.#controller.signal)
  }

  #askLater (signal) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#ask(signal), Math.max(this.#askedAt + this.#interval - performance.now(), 0))
  }

  async #ask (signal) {
    const sentAt = this.#askedAt = performance.now()
    this.#timer = undefined
    this.requests++
    try {
      // The browser sends the ETag of what it has, and takes that again at a 304.
      const response = await fetch(this.#url, { cache: 'no-cache', signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]) })
      const receivedAt = performance.now()
      assertOk(response)
      this.#on.answer(await response.json(), { sentAt, receivedAt, time: Number(response.headers.get('x-time')) })
    } catch (error) {
      // It was stopped.
      if (signal.aborted) return
      this.#on.failed(error)
    }
    this.#askLater(signal)
  }

  #count ({ transferSize, fetchStart, connectEnd }) {
    this.bytes += transferSize
    // On a connection that was there, all of this is at one moment.
    if (connectEnd > fetchStart) this.connections++
  }
}
