/* The page of the chat: one route, read by EventSource and by fetch. Its text reaches the page as text, never as HTML. */
/* global EventSource, EventStreamDecoder, location */

/** The lines that follow "start". The stream carries no end mark, so the page has to know. */
const LINES = 10
/** Rows that a list keeps: a page that is left open over night shall not grow. */
const KEEP = 300
/** Characters of an answer that is no stream, kept to look for its message in. */
const MAX_ANSWER = 10_000

const WORDS = { connecting: 'Connecting', open: 'Open', reconnecting: 'Reconnecting', closed: 'Closed' }

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

function make (tag, className, ...content) {
  const element = document.createElement(tag)
  element.className = className
  element.append(...content)
  return element
}

/** The time of day, to the millisecond. */
function now () {
  const date = new Date()
  const time = make('time', '', `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, '0')}`)
  time.dateTime = date.toISOString()
  return time
}

/** A row of the rail. The text comes first, for those who listen to it. */
function station (kind, text) {
  return make('li', kind, make('span', 'text', text), now())
}

/** What a panel of either kind has: a state in words, figures, a list of rows, and a way to stop. */
class Panel {
  state = 'closed'
  #root
  #scroll
  #list
  #trimmed = 0

  constructor (id) {
    this.#root = document.getElementById(id)
    this.#scroll = this.#find('.scroll')
    this.#list = this.#find('ol')
    this.#find('.stop').addEventListener('click', () => {
      if (this.state === 'closed') return
      this.cut('stopped by you')
      this.tell('closed', 'You stopped it.')
    })
  }

  #find (selector) {
    return this.#root.querySelector(selector)
  }

  tell (state, sentence, bad = false) {
    this.state = state
    this.#root.dataset.state = state
    this.#root.classList.toggle('bad', bad)
    this.#find('.state').textContent = WORDS[state]
    this.#find('.says').textContent = sentence
    // Not `disabled`, which would take the focus from who has just pressed it.
    this.#find('.stop').setAttribute('aria-disabled', String(state === 'closed'))
  }

  figure (name, value) {
    this.#find(`[data-figure=${name}]`).textContent = value
  }

  add (row) {
    // Who has scrolled up wants to read there.
    const follows = this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < 20
    this.#list.append(row)
    if (this.#list.childElementCount > KEEP) {
      this.#list.firstElementChild.remove()
      this.#trim(this.#trimmed + 1)
    }
    if (follows) this.#scroll.scrollTop = this.#scroll.scrollHeight
  }

  clear () {
    this.#list.replaceChildren()
    this.#trim(0)
  }

  #trim (count) {
    const says = this.#find('.trimmed')
    this.#trimmed = count
    says.hidden = count === 0
    says.textContent = `Only the last ${KEEP} rows are kept; earlier ones not shown: ${count}`
  }
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
class FetchPanel extends Panel {
  #controller
  #chunks = 0
  #bytes = 0
  #events = 0

  async begin (name) {
    this.cut()
    this.clear()
    this.#chunks = this.#bytes = this.#events = 0
    this.#count()
    this.figure('answer', '–')
    this.tell('connecting', `Asking ${server}`)
    const { signal } = this.#controller = new AbortController()
    try {
      const response = await fetch(routeFor(name), { headers: { accept: 'text/event-stream' }, cache: 'no-store', signal })
      this.figure('answer', `${response.status} ${response.statusText}`.trim())
      if (isEventStream(response)) await this.#read(response.body)
      else await this.#refused(response)
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

  async #read (body) {
    const decoder = new EventStreamDecoder()
    this.tell('open', 'Bytes are shown as they arrive.')
    for await (const bytes of chunks(body)) {
      const { text, items } = decoder.push(bytes)
      this.#received(bytes.length, text, items)
    }
    const { text, incomplete } = decoder.end()
    if (text !== '') this.#received(0, text, [])
    this.tell('closed', incomplete
      ? 'The server ended the stream within an event, which is discarded, as the standard says.'
      : 'The server ended the stream. A fetch is one request: nothing asks again.')
  }

  /** Shows an answer that an EventSource would say nothing about. */
  async #refused (response) {
    const decoder = new TextDecoder()
    let answer = ''
    for await (const bytes of chunks(response.body)) {
      const text = decoder.decode(bytes, { stream: true })
      answer = (answer + text).slice(0, MAX_ANSWER)
      this.#received(bytes.length, text, [])
    }
    const what = response.ok ? 'This is not an event stream' : `The server refused with ${`${response.status} ${response.statusText}`.trim()}`
    this.tell('closed', `${what}: ${messageIn(answer) ?? response.headers.get('content-type') ?? 'without a content type'}`, true)
  }

  #received (size, text, items) {
    this.#chunks++
    this.#bytes += size
    this.#events += items.filter(({ kind }) => kind === 'event').length
    this.#count()
    this.add(make('li', 'chunk',
      make('p', 'when', now(), ` ${size} bytes`),
      make('pre', 'raw', ...marked(text)),
      make('ul', 'items', ...items.map(shown))))
  }

  #count () {
    this.figure('chunks', this.#chunks)
    this.figure('bytes', this.#bytes)
    this.figure('events', this.#events)
  }
}

function isEventStream ({ status, headers }) {
  return status === 200 && /^text\/event-stream\s*(;|$)/i.test(headers.get('content-type') ?? '')
}

/** The chunks of a body; not every browser can iterate it by itself. */
async function * chunks (body) {
  if (body === null) return
  const reader = body.getReader()
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value
}

/** What an error of the server says for people, if it is one. */
function messageIn (answer) {
  try {
    const { message, code } = JSON.parse(answer)
    return typeof message !== 'string' ? undefined : typeof code === 'string' ? `${message} (${code})` : message
  } catch {}
}

const MARKS = { '\r\n': 'CRLF', '\n': 'LF', '\r': 'CR', '\t': 'TAB', '\0': 'NUL', '\uFEFF': 'BOM' }
/** Line ends, and characters that cannot be seen or turn what follows around. */
const UNSEEN = /(\r\n|[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\uFEFF])/u

/** A text with what cannot be seen made visible. The marks are the style sheet's: to copy the text gives what was sent. */
function marked (text) {
  return text.split(UNSEEN).map((part, index) => {
    if (index % 2 === 0) return part
    const mark = make('span', 'mark', part)
    mark.dataset.mark = MARKS[part] ?? `U+${part.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
    return mark
  })
}

/** One thing that a chunk completed. */
function shown ({ kind, type, data, lastEventId, text, ms }) {
  if (kind === 'comment') return make('li', 'aside', make('span', 'kind', 'comment'), ' ', make('span', 'text', text))
  if (kind === 'retry') return make('li', 'aside', make('span', 'kind', 'retry'), ' ', make('span', 'text', `${ms} ms`))
  const id = lastEventId === '' ? [] : [make('span', 'kind', `id ${lastEventId}`), ' ']
  return make('li', 'event', make('span', 'kind', type), ' ', ...id, make('span', 'text', data))
}

const panels = {
  'event-source': new EventSourcePanel('event-source'),
  fetch: new FetchPanel('fetch')
}

request.addEventListener('submit', event => {
  event.preventDefault()
  if (server !== undefined) panels[event.submitter.value].begin(nameField.value)
})

nameField.addEventListener('keydown', event => {
  // While an input method composes, Enter picks a character.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  request.requestSubmit(document.querySelector('button[value=event-source]'))
})

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
