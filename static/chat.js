/* The chat page: one route, read by EventSource and by fetch. Content is inserted as text, never as HTML. */
/* global EventSource, Panel, WirePanel, isEventStream, location, make, statusLine, submitByEnter, textRow */

/** Lines after "start". The stream has no last event, so the page has to know their number. */
const LINES = 10

const parameters = new URLSearchParams(location.search)
const request = document.getElementById('request')
const nameField = document.getElementById('name')
const notice = document.getElementById('notice')
const free = document.getElementById('free')

/** The origin of the route: the page's own, or the parameter `server`. */
const server = findServer(parameters.get('server'))

/** @returns an origin; undefined if there is none, after showing a notice */
function findServer (given) {
  if (given === null && location.protocol !== 'file:') return location.origin
  if (given === null) {
    showNotice('This page was opened from disk and has no server. Start one with “npm start”, then ',
      link('?server=http://127.0.0.1:3000', 'use the server at http://127.0.0.1:3000'),
      ', or name another in the address: ?server=http://host:port')
  } else if (isOrigin(given)) {
    return new URL(given).origin
  } else {
    showNotice(`?server=${given} in the address of this page is not an origin, such as http://127.0.0.1:3000`)
  }
}

/** Whether a URL consists of an origin only. */
function isOrigin (text) {
  if (!URL.canParse(text)) return false
  const { protocol, href, origin } = new URL(text)
  return /^https?:$/.test(protocol) && href === `${origin}/`
}

function routeFor (name) {
  return `${server}/learn/sseChat?${new URLSearchParams({ name })}`
}

function showNotice (...content) {
  notice.hidden = false
  notice.replaceChildren(...content)
}

function link (href, text) {
  const element = make('a', '', text)
  element.href = href
  return element
}

/** Shows what the browser passes to a script. */
class EventSourcePanel extends Panel {
  #source
  #connections = 0
  /** Messages on this connection, including "start". */
  #messages = 0
  /** When the last connection ended; undefined while one is open and before the first. */
  #endedAt

  constructor (id) {
    super(id)
    free.addEventListener('change', () => this.#closeIfDone())
  }

  begin (name) {
    this.disconnect('restarted')
    this.clear()
    this.#connections = 0
    this.#endedAt = undefined
    this.#setMessages(0)
    this.setFigure('connections', 0)
    this.setState('connecting', `Connecting to ${server}`)
    this.#source = new EventSource(routeFor(name))
    this.#source.onopen = () => this.#onOpen()
    this.#source.onmessage = ({ data }) => this.#onMessage(data)
    this.#source.onerror = () => this.#onError()
  }

  disconnect (reason) {
    if (this.state === 'open') this.add(textRow('end', reason))
    this.#source?.close()
    this.#source = undefined
  }

  #onOpen () {
    const delay = this.#endedAt === undefined ? '' : `, after ${((performance.now() - this.#endedAt) / 1_000).toFixed(1)} s`
    this.#endedAt = undefined
    this.#setMessages(0)
    this.setFigure('connections', ++this.#connections)
    this.add(textRow('connection', `Connection ${this.#connections}${delay}`))
    this.setState('open', this.#connections === 1
      ? 'Lines arrive as the server sends them.'
      : 'The browser reconnected, and the lines start over.')
  }

  #onMessage (data) {
    this.#setMessages(this.#messages + 1)
    this.add(textRow('line', data))
    this.#closeIfDone()
  }

  #onError () {
    if (this.#source.readyState === EventSource.CLOSED) {
      this.disconnect()
      this.setState('closed', 'Refused. An EventSource gives up at any response other than 200 with text/event-stream, and does not tell the script why. Fetch shows the response.', true)
      return
    }
    if (this.state === 'open') {
      this.#endedAt = performance.now()
      this.add(textRow('end', 'the stream ended'))
      this.setState('reconnecting', 'The stream ended. An EventSource treats that as a failure and reconnects.')
      this.#closeIfDone()
    } else {
      this.setState('reconnecting', `No response from ${server}; the browser keeps trying.`)
    }
  }

  /** Closes a stream that is complete, unless the browser may reconnect. */
  #closeIfDone () {
    if (free.checked || this.state === 'closed') return
    if (this.#messages > LINES) {
      this.disconnect('closed by the page')
      this.setState('closed', 'The tenth line arrived, so the page closed the stream. Otherwise the browser would reconnect.')
    } else if (this.#endedAt !== undefined) {
      this.disconnect()
      this.setState('closed', 'The stream ended before the tenth line, so the page closed it. Otherwise the browser would reconnect.')
    }
  }

  #setMessages (messages) {
    this.#messages = messages
    this.setFigure('lines', `${Math.max(messages - 1, 0)} of ${LINES}`)
  }
}

/** Shows the same response as it is sent. */
class FetchPanel extends WirePanel {
  #controller

  async begin (name) {
    this.disconnect()
    this.clear()
    this.setState('connecting', `Connecting to ${server}`)
    const { signal } = this.#controller = new AbortController()
    try {
      const response = await fetch(routeFor(name), { headers: { accept: 'text/event-stream' }, cache: 'no-store', signal })
      this.setFigure('response', statusLine(response))
      if (!isEventStream(response)) {
        this.setState('closed', await this.readError(response), true)
        return
      }
      this.setState('open', 'Bytes are shown as they arrive.')
      // A page opened from disk can't load modules from there.
      const { EventStreamParser } = await import(location.protocol === 'file:' ? `${server}/event-stream-parser.js` : './event-stream-parser.js')
      this.setState('closed', await this.readStream(response, new EventStreamParser())
        ? 'The server ended the stream in the middle of an event, which is discarded, as the standard requires.'
        : 'The server ended the stream. A fetch is one request, and does not reconnect.')
    } catch (error) {
      // The user stopped this request, and may have started another.
      if (signal.aborted) return
      const what = this.state === 'open' ? 'The connection broke' : `No response from ${server}`
      this.setState('closed', `${what}: ${error.message}`, true)
    }
  }

  disconnect () {
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
  if (effectiveDirective === 'connect-src') showNotice(`The content security policy of this page does not allow requests to ${blockedURI}. Open the page from disk, or on that server.`)
})

for (const button of document.querySelectorAll('button.primary')) button.disabled = server === undefined
if (parameters.has('name')) nameField.value = parameters.get('name')
showCommand()
