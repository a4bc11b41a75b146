/* Who is told. It reads by fetch, which can count bytes, and does what an EventSource does beyond that. No DOM in here. */
/* global bodyChunks */

import { assertOk } from './answer.js'
import './body-chunks.js'
import { EventStreamParser } from './event-stream-parser.js'

/** Bytes that browsers count for the head of an answer, whatever it is (https://www.w3.org/TR/resource-timing/). */
const HEAD = 300
/** Milliseconds before the server is asked again, unless it says otherwise. */
const RETRY = 3_000
/** Milliseconds without a byte, of which the server sends some every five seconds, after which a connection is dead. */
const SILENCE = 16_000

/**
 * Follows a stream, and comes back after the last event when it is lost. It calls
 *
 * - `on.event(type, data)` with each event
 * - `on.lost(error)` when there is no stream any more, or none yet
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
    this.#retry = RETRY
    this.#follow(this.#controller.signal)
  }

  stop () {
    this.#controller?.abort()
    clearTimeout(this.#timer)
  }

  async #follow (stopped) {
    const silent = new AbortController()
    const signal = AbortSignal.any([stopped, silent.signal])
    let timer
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => silent.abort(new Error('nothing is heard of the server')), SILENCE)
    }
    heard()
    try {
      await this.#read(signal, heard)
    } catch (error) {
      // It is none of the stream's that it was stopped.
      if (!stopped.aborted) this.#lost(stopped, error)
    } finally {
      clearTimeout(timer)
    }
  }

  async #read (signal, heard) {
    const { lastEventId } = this.#parser
    const headers = lastEventId === '' ? {} : { 'last-event-id': lastEventId }
    this.requests++
    const response = await fetch(this.#url, { headers: { accept: 'text/event-stream', ...headers }, cache: 'no-store', signal })
    this.connections++
    this.bytes += HEAD
    assertOk(response)
    this.#parser = new EventStreamParser({ lastEventId })
    for await (const bytes of bodyChunks(response.body)) {
      heard()
      this.bytes += bytes.length
      for (const { kind, type, data, retry } of this.#parser.push(bytes)) {
        if (kind === 'retry') this.#retry = retry
        else if (kind === 'event') this.#on.event(type, data)
      }
    }
    throw new Error('the stream ended')
  }

  #lost (stopped, error) {
    this.#on.lost(error)
    this.#timer = setTimeout(() => this.#follow(stopped), this.#retry)
  }
}
