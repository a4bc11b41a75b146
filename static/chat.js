/* The page of the chat: one route, read by EventSource and by fetch. Its text reaches the page as text, never as HTML. */
/* global EventSource, Panel, WirePanel, isEventStream, location, make, station, statusOf, submitByEnter */

/** The lines that follow "start". The stream carries no end mark, so the page has to know. */
const LINES = 10

const asked = new URLSearchParams(location.search)
const request = document.getElementById('request')
const nameField = document.getElementById('name')
const notice = document.getElementById('notice')
const free = document.getElementById('free')

/** Where the route is: the page's own origin, or what `?server=` says. */
const server = findServer(asked.get('server'))

/** @returns an origin; undefined where there is none, which the page then says */
function findServer (given) {
  if (given === null && location.protocol !== 'file:') return location.origin
  if (given === null) {
    say('This page was opened from the disk, so it has no server of its own. Start one with “npm start”, and ',
      link('?server=http://127.0.0.1:3000', 'use the server at http://127.0.0.1:3000'),
      ', or name another one in the address: ?server=http://host:port')
  } else if (isOrigin(given)) {
    return new URL(given).origin
  } else {
    say(`The address of this page says ?server=${given}, which is not an origin such as http://127.0.0.1:3000`)
  }
}

/** Whether a text is an address that names a server and nothing on it. */
function isOrigin (text) {
  if (!URL.canParse(text)) return false
  const { protocol, href, origin } = new URL(text)
  return /^https?:$/.test(protocol) && href === `${origin}/`
}

function routeFor (name) {
  return `${server}/learn/sseChat?${new URLSearchParams({ name })}`
}

function say (...content) {
  notice.hidden = false
  notice.replaceChildren(...content)
}

function link (href, text) {
  const element = make('a', '', text)
  element.href = href
  return element
}

/** What the browser hands to a script. */
class EventSourcePanel extends Panel {
  #source
  #connections = 0
  /** Messages of this connection; the first is "start". */
  #messages = 0
  /** When the last connection ended; undefined while one is open, and before there was one. */
  #endedAt

  constructor (id) {
    super(id)
    free.addEventListener('change', () => this.#mind())
  }

  begin (name) {
    this.cut('started again')
    this.clear()
    this.#connections = 0
    this.#endedAt = undefined
    this.#count(0)
    this.figure('connections', 0)
    this.tell('connecting', `Asking ${server}`)
    this.#source = new EventSource(routeFor(name))
    this.#source.onopen = () => this.#opened()
    this.#source.onmessage = ({ data }) => this.#received(data)
    this.#source.onerror = () => this.#failed()
  }

  cut (why) {
    if (this.state === 'open') this.add(station('end', why))
    this.#source?.close()
    this.#source = undefined
  }

  #opened () {
    const pause = this.#endedAt === undefined ? '' : `, after ${((performance.now() - this.#endedAt) / 1_000).toFixed(1)} s`
    this.#endedAt = undefined
    this.#count(0)
    this.figure('connections', ++this.#connections)
    this.add(station('connection', `Connection ${this.#connections}${pause}`))
    this.tell('open', this.#connections === 1
      ? 'Lines arrive as the server sends them.'
      : 'The browser has asked again, and the lines start again.')
  }

  #received (data) {
    this.#count(this.#messages + 1)
    this.add(station('line', data))
    this.#mind()
  }

  #failed () {
    if (this.#source.readyState === EventSource.CLOSED) {
      this.cut()
      this.tell('closed', 'Refused. At any answer but 200 with text/event-stream, an EventSource gives up for good, and tells a script no more than that. Fetch shows the answer.', true)
      return
    }
    if (this.state === 'open') {
      this.#endedAt = performance.now()
      this.add(station('end', 'the stream ended'))
      this.tell('reconnecting', 'The stream ended, which an EventSource takes for an accident: it asks again by itself.')
      this.#mind()
    } else {
      this.tell('reconnecting', `No answer from ${server}; the browser keeps asking.`)
    }
  }

  /** Does what a page has to do for a stream without an end mark, unless the browser shall do as it likes. */
  #mind () {
    if (free.checked || this.state === 'closed') return
    if (this.#messages > LINES) {
      this.cut('closed by the page')
      this.tell('closed', 'The tenth line is there, so the page closed the stream. The browser would have asked again.')
    } else if (this.#endedAt !== undefined) {
      this.cut()
      this.tell('closed', 'The stream ended before its tenth line, and the page closed it. The browser would have asked again.')
    }
  }

  #count (messages) {
    this.#messages = messages
    this.figure('lines', `${Math.max(messages - 1, 0)} of ${LINES}`)
  }
}

/** The same route as it comes over the wire. */
class FetchPanel extends WirePanel {
  #controller

  async begin (name) {
    this.cut()
    this.clear()
    this.tell('connecting', `Asking ${server}`)
    const { signal } = this.#controller = new AbortController()
    try {
      const response = await fetch(routeFor(name), { headers: { accept: 'text/event-stream' }, cache: 'no-store', signal })
      this.figure('answer', statusOf(response))
      if (!isEventStream(response)) {
        this.tell('closed', await this.readRefusal(response), true)
        return
      }
      this.tell('open', 'Bytes are shown as they arrive.')
      // A page opened from disk has no modules of its own.
      const { EventStreamParser } = await import(location.protocol === 'file:' ? `${server}/event-stream-parser.js` : './event-stream-parser.js')
      this.tell('closed', await this.readStream(response, new EventStreamParser())
        ? 'The server ended the stream within an event, which is discarded, as the standard says.'
        : 'The server ended the stream. A fetch is one request: nothing asks again.')
    } catch (error) {
      // What was cut by hand has been told already, and another run may be on its way.
      if (signal.aborted) return
      const what = this.state === 'open' ? 'The connection broke' : `No answer from ${server}`
      this.tell('closed', `${what}: ${error.message}`, true)
    }
  }

  cut () {
    this.#controller?.abort()
  }
}

const panels = {
  'event-source': new EventSourcePanel('event-source'),
  fetch: new FetchPanel('fetch')
}

request.addEventListener('submit', event => {
  event.preventDefault()
  if (server !== undefined) panels[event.submitter.value].begin(nameField.value)
})

submitByEnter(nameField, document.querySelector('button[value=event-source]'))

nameField.addEventListener('input', showCommand)

function showCommand () {
  document.getElementById('command').textContent = server === undefined ? '–' : `curl -N '${routeFor(nameField.value)}'`
}

document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
  if (effectiveDirective === 'connect-src') say(`The policy of this page does not let it ask ${blockedURI}. Open the page from the disk, or on that server itself.`)
})

for (const button of document.querySelectorAll('button.primary')) button.disabled = server === undefined
if (asked.has('name')) nameField.value = asked.get('name')
showCommand()
