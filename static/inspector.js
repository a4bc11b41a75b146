/* The inspector: shows a stream of this server as it is sent, over one connection after another. */
/* global WirePanel, isEventStream, location, statusLine, textRow */

import './body-chunks.js'
import './panel.js'
import './inspector-publish.js'
import { EventStreamParser } from './event-stream-parser.js'

/** Milliseconds before a reconnect, unless the server sends `retry`. */
const DEFAULT_RETRY = 3_000
/** Milliseconds for which the button cuts the connection, so that there is time to publish. */
const CUT_TIME = 5_000
/** Event types of heartbeats. */
const HEARTBEATS = ['heartbeat', 'sse-heartbeat']

const part = id => document.getElementById(id)
const follow = part('follow')
const pathField = part('path')
const channelField = part('channel')
const notice = part('notice')
const cutButton = part('cut')

/** Follows a stream as an EventSource does: when it ends, the page reconnects and resumes after the last event ID. */
class StreamPanel extends WirePanel {
  #url
  #controller
  #timer
  #parser
  #connections
  #heartbeats
  /** Milliseconds before a reconnect. */
  #retry
  /** When the last connection ended, as `performance.now()`; undefined before the first. */
  #endedAt

  begin (url) {
    this.disconnect()
    this.clear()
    this.#url = url
    this.#parser = new EventStreamParser()
    this.#connections = this.#heartbeats = 0
    this.#retry = DEFAULT_RETRY
    this.#endedAt = undefined
    this.setFigure('retry', '–')
    this.#showCounts()
    this.setState('connecting', `Connecting to ${url}`)
    this.#connect()
  }

  /** Cuts the connection, and reconnects. */
  cut () {
    if (this.state !== 'open') return
    this.#controller.abort()
    this.#onEnd('cut by you', 'You cut the connection.', CUT_TIME)
  }

  disconnect (reason) {
    if (this.state === 'open') this.add(textRow('end', reason))
    clearTimeout(this.#timer)
    this.#controller?.abort()
  }

  setState (state, sentence, bad) {
    super.setState(state, sentence, bad)
    cutButton.setAttribute('aria-disabled', String(state !== 'open'))
  }

  addChunk (size, text, items) {
    super.addChunk(size, text, items)
    for (const { kind, type, retry } of items) {
      if (kind === 'comment' || HEARTBEATS.includes(type)) this.#heartbeats++
      if (kind !== 'retry') continue
      this.#retry = retry
      this.setFigure('retry', `${retry} ms`)
    }
    this.#showCounts()
  }

  async #connect () {
    const { signal } = this.#controller = new AbortController()
    const { lastEventId } = this.#parser
    const headers = lastEventId === '' ? {} : { 'last-event-id': lastEventId }
    try {
      const response = await fetch(this.#url, { headers: { accept: 'text/event-stream', ...headers }, cache: 'no-store', signal })
      this.setFigure('response', statusLine(response))
      if (response.status === 204) {
        this.setState('closed', 'The stream has ended for good: the server answered the reconnect with 204.')
        return
      }
      if (!isEventStream(response)) {
        this.setState('closed', await this.readError(response), true)
        return
      }
      this.#onOpen(lastEventId)
      const incomplete = await this.readStream(response, this.#parser = new EventStreamParser({ lastEventId }))
      this.#onEnd(incomplete ? 'the stream ended in the middle of an event' : 'the stream ended', 'The stream ended, which clients treat as a failure.')
    } catch (error) {
      // The user cut this connection, and may have opened another.
      if (signal.aborted) return
      this.#onEnd('the connection broke', this.state === 'open' ? `The connection broke: ${error.message}.` : `No response: ${error.message}.`)
    }
  }

  #onOpen (lastEventId) {
    const first = this.#endedAt === undefined
    const after = first ? '' : `, after ${((performance.now() - this.#endedAt) / 1_000).toFixed(1)} s, ${lastEventId === '' ? 'without Last-Event-ID' : `Last-Event-ID: ${lastEventId}`}`
    this.#connections++
    this.#showCounts()
    this.add(textRow('connection', `Connection ${this.#connections}${after}`))
    this.setState('open', first ? 'Bytes are shown as they arrive.' : 'Reconnected.')
  }

  #onEnd (row, sentence, delay = this.#retry) {
    if (this.state === 'open') {
      this.#endedAt = performance.now()
      this.add(textRow('end', row))
    }
    const { lastEventId } = this.#parser
    this.setState('reconnecting', `${sentence} The page reconnects in ${delay / 1_000} s ${lastEventId === '' ? 'without an event ID' : `after the ID ${lastEventId}`}.`)
    this.#timer = setTimeout(() => this.#connect(), delay)
  }

  #showCounts () {
    this.setFigure('connections', this.#connections)
    this.setFigure('heartbeats', this.#heartbeats)
    this.setFigure('last-id', this.#parser.lastEventId || '–')
  }
}

const panel = new StreamPanel('stream')

follow.addEventListener('submit', event => {
  event.preventDefault()
  const url = requestedUrl()
  notice.hidden = url !== undefined
  notice.textContent = url === undefined ? 'This page only follows streams of its own server. Enter a path, such as /channels/news.' : ''
  if (url !== undefined) panel.begin(url)
})

cutButton.addEventListener('click', () => panel.cut())

pathField.addEventListener('input', update)

for (const button of document.querySelectorAll('.examples button')) {
  button.addEventListener('click', () => {
    pathField.value = button.dataset.path
    update()
    follow.requestSubmit()
  })
}

/** The URL of the path; undefined if it is not on this server. */
function requestedUrl () {
  if (!URL.canParse(pathField.value, location.origin)) return
  const url = new URL(pathField.value, location.origin)
  if (url.origin === location.origin) return url
}

/** Shows the curl command, and copies the name of the channel into the publish form. */
function update () {
  const url = requestedUrl()
  part('command').textContent = url === undefined ? '–' : `curl -N '${url.href.replaceAll("'", '%27')}'`
  const channel = /^\/channels\/([a-z0-9-]{1,64})$/.exec(url?.pathname)?.[1]
  if (channel !== undefined) channelField.value = channel
}

pathField.value = new URLSearchParams(location.search).get('path') ?? pathField.value
update()
for (const button of document.querySelectorAll('button:disabled')) button.disabled = false
