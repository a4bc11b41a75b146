/* The inspector: a stream of this server as it comes over the wire, on one connection after the other. */
/* global WirePanel, isEventStream, location, station, statusOf */

import './body-chunks.js'
import './panel.js'
import './inspector-publish.js'
import { EventStreamParser } from './event-stream-parser.js'

/** Milliseconds before the server is asked again, unless it says otherwise by `retry`. */
const RETRY = 3_000
/** Milliseconds for which the button cuts the connection: time to publish something. */
const CUT = 5_000
/** Types of events that say no more than that the server is there. */
const HEARTBEATS = ['heartbeat', 'sse-heartbeat']

const part = id => document.getElementById(id)
const follow = part('follow')
const pathField = part('path')
const channelField = part('channel')
const notice = part('notice')
const cutButton = part('cut')

/** A stream that is followed as an EventSource does: it is asked for again when it ends, after the last id. */
class StreamPanel extends WirePanel {
  #url
  #controller
  #timer
  #parser
  #connections
  #heartbeats
  /** Milliseconds before the server is asked again. */
  #retry
  /** When the last connection was lost, by `performance.now()`; undefined before there was one. */
  #lostAt

  begin (url) {
    this.cut()
    this.clear()
    this.#url = url
    this.#parser = new EventStreamParser()
    this.#connections = this.#heartbeats = 0
    this.#retry = RETRY
    this.#lostAt = undefined
    this.figure('retry', '–')
    this.#count()
    this.tell('connecting', `Asking for ${url}`)
    this.#ask()
  }

  /** Loses the connection on purpose, and comes back. */
  interrupt () {
    if (this.state !== 'open') return
    this.#controller.abort()
    this.#lost('cut by you', 'You cut the connection.', CUT)
  }

  cut (why) {
    if (this.state === 'open') this.add(station('end', why))
    clearTimeout(this.#timer)
    this.#controller?.abort()
  }

  tell (state, sentence, bad) {
    super.tell(state, sentence, bad)
    cutButton.setAttribute('aria-disabled', String(state !== 'open'))
  }

  received (size, text, items) {
    super.received(size, text, items)
    for (const { kind, type, retry } of items) {
      if (kind === 'comment' || HEARTBEATS.includes(type)) this.#heartbeats++
      if (kind !== 'retry') continue
      this.#retry = retry
      this.figure('retry', `${retry} ms`)
    }
    this.#count()
  }

  async #ask () {
    const { signal } = this.#controller = new AbortController()
    const { lastEventId } = this.#parser
    const headers = lastEventId === '' ? {} : { 'last-event-id': lastEventId }
    try {
      const response = await fetch(this.#url, { headers: { accept: 'text/event-stream', ...headers }, cache: 'no-store', signal })
      this.figure('answer', statusOf(response))
      if (!isEventStream(response)) {
        this.tell('closed', await this.readRefusal(response), true)
        return
      }
      this.#opened(lastEventId)
      const incomplete = await this.readStream(response, this.#parser = new EventStreamParser({ lastEventId }))
      this.#lost(incomplete ? 'the stream ended within an event' : 'the stream ended', 'The stream ended, which a client takes for an accident.')
    } catch (error) {
      // What was cut by hand has been told already, and another connection may be on its way.
      if (signal.aborted) return
      this.#lost('the connection broke', this.state === 'open' ? `The connection broke: ${error.message}.` : `No answer: ${error.message}.`)
    }
  }

  #opened (lastEventId) {
    const first = this.#lostAt === undefined
    const after = first ? '' : `, after ${((performance.now() - this.#lostAt) / 1_000).toFixed(1)} s, ${lastEventId === '' ? 'without Last-Event-ID' : `Last-Event-ID: ${lastEventId}`}`
    this.#connections++
    this.#count()
    this.add(station('connection', `Connection ${this.#connections}${after}`))
    this.tell('open', first ? 'Bytes are shown as they arrive.' : 'There is a connection again.')
  }

  #lost (row, sentence, pause = this.#retry) {
    if (this.state === 'open') {
      this.#lostAt = performance.now()
      this.add(station('end', row))
    }
    const { lastEventId } = this.#parser
    this.tell('reconnecting', `${sentence} The page asks again in ${pause / 1_000} s, ${lastEventId === '' ? 'and has no id to name' : `after the id ${lastEventId}`}.`)
    this.#timer = setTimeout(() => this.#ask(), pause)
  }

  #count () {
    this.figure('connections', this.#connections)
    this.figure('heartbeats', this.#heartbeats)
    this.figure('last-id', this.#parser.lastEventId || '–')
  }
}

const panel = new StreamPanel('stream')

follow.addEventListener('submit', event => {
  event.preventDefault()
  const url = asked()
  notice.hidden = url !== undefined
  notice.textContent = url === undefined ? 'This page follows streams of its own server: give a path, such as /channels/news' : ''
  if (url !== undefined) panel.begin(url)
})

cutButton.addEventListener('click', () => panel.interrupt())

pathField.addEventListener('input', show)

for (const button of document.querySelectorAll('.examples button')) {
  button.addEventListener('click', () => {
    pathField.value = button.dataset.path
    show()
    follow.requestSubmit()
  })
}

/** What the path asks for; undefined where that is nothing of this server. */
function asked () {
  if (!URL.canParse(pathField.value, location.origin)) return
  const url = new URL(pathField.value, location.origin)
  if (url.origin === location.origin) return url
}

/** Shows how to do it by hand, and has the channel that is followed be the one to publish to. */
function show () {
  const url = asked()
  part('command').textContent = url === undefined ? '–' : `curl -N '${url.href.replaceAll("'", '%27')}'`
  const channel = /^\/channels\/([a-z0-9-]{1,64})$/.exec(url?.pathname)?.[1]
  if (channel !== undefined) channelField.value = channel
}

pathField.value = new URLSearchParams(location.search).get('path') ?? pathField.value
show()
for (const button of document.querySelectorAll('button:disabled')) button.disabled = false
