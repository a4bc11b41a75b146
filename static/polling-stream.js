/* Reads an event stream as EventSource does, but with fetch, to count bytes. Does not use the DOM. */
/* global bodyChunks */

import { assertOk } from './answer.js'
import './body-chunks.js'
import { EventStreamParser } from './event-stream-parser.js'

/** Bytes that browsers count for the headers of a response, whatever their size (https://www.w3.org/TR/resource-timing/). */
const HEADER_BYTES = 300
/** Milliseconds before a reconnect, unless the server sends `retry`. */
const DEFAULT_RETRY = 3_000
/** Milliseconds without data before a reconnect. The server sends a heartbeat every five seconds. */
const HEARTBEAT_TIMEOUT = 16_000

/**
 * Follows a stream, and reconnects when it ends. It calls
 *
 * - `on.event(type, data)` for each event
 * - `on.error(error)` if a request fails or its stream ends
 */
export class Stream {
  requests = 0
  bytes = 0
  connections = 0
  #url
  #on
  #controller
  #parser
  #retry
  #timer

  constructor (url, on) {
    this.#url = url
    this.#on = on
  }

  start () {
    this.#controller = new AbortController()
    this.#parser = new EventStreamParser()
    this.#retry = DEFAULT_RETRY
    this.#follow(this.#controller.signal)
  }

  stop () {
    this.#controller?.abort()
    clearTimeout(this.#timer)
  }

  async #follow (stopped) {
    const timeout = new AbortController()
    const signal = AbortSignal.any([stopped, timeout.signal])
    let timer
    const restartTimer = () => {
      clearTimeout(timer)
      timer = setTimeout(() => timeout.abort(new Error('No data received')), HEARTBEAT_TIMEOUT)
    }
    restartTimer()
    try {
      await this.#read(signal, restartTimer)
    } catch (error) {
      if (!stopped.aborted) this.#reconnect(stopped, error)
    } finally {
      clearTimeout(timer)
    }
  }

  async #read (signal, onData) {
    const { lastEventId } = this.#parser
    const headers = lastEventId === '' ? {} : { 'last-event-id': lastEventId }
    this.requests++
    const response = await fetch(this.#url, { headers: { accept: 'text/event-stream', ...headers }, cache: 'no-store', signal })
    this.connections++
    this.bytes += HEADER_BYTES
    assertOk(response)
    this.#parser = new EventStreamParser({ lastEventId })
    for await (const bytes of bodyChunks(response.body)) {
      onData()
      this.bytes += bytes.length
      for (const { kind, type, data, retry } of this.#parser.push(bytes)) {
        if (kind === 'retry') this.#retry = retry
        else if (kind === 'event') this.#on.event(type, data)
      }
    }
    throw new Error('The stream ended')
  }

  #reconnect (stopped, error) {
    this.#on.error(error)
    this.#timer = setTimeout(() => this.#follow(stopped), this.#retry)
  }
}
