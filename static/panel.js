/* Shared by the chat page and the inspector: a panel that shows the state and the content of a stream. It is a classic
   script, because a page opened from disk can't load modules. Content is inserted as text, never as HTML. */
/* global bodyChunks */

/** Maximum rows of a list, so that a page that stays open overnight does not grow. */
const MAX_ROWS = 300
/** Maximum characters kept of a response that is not an event stream. */
const MAX_ERROR_BODY = 10_000
/** Kinds of parsed items that have a row. */
const SHOWN_KINDS = ['event', 'comment', 'retry']

const STATE_NAMES = { connecting: 'Connecting', open: 'Open', reconnecting: 'Reconnecting', closed: 'Closed' }

const MARKS = { '\r\n': 'CRLF', '\n': 'LF', '\r': 'CR', '\t': 'TAB', '\0': 'NUL', '\uFEFF': 'BOM' }
/** Line ends, and characters that are invisible or change the direction of text. */
const INVISIBLE = /(\r\n|[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\uFEFF])/u

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

/** A row with a sentence. The text precedes the time, for screen readers. */
function textRow (kind, text) {
  return make('li', kind, make('span', 'text', text), now())
}

/** Marks invisible characters. The style sheet draws the marks, so that the copied text is what was sent. */
function markInvisible (text) {
  return text.split(INVISIBLE).map((part, index) => {
    if (index % 2 === 0) return part
    const mark = make('span', 'mark', part)
    mark.dataset.mark = MARKS[part] ?? `U+${part.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
    return mark
  })
}

/** The row of a parsed item. */
function itemRow ({ kind, type, data, lastEventId, text, retry }) {
  if (kind === 'comment') return make('li', 'aside', make('span', 'kind', 'comment'), ' ', make('span', 'text', text))
  if (kind === 'retry') return make('li', 'aside', make('span', 'kind', 'retry'), ' ', make('span', 'text', `${retry} ms`))
  const id = lastEventId === '' ? [] : [make('span', 'kind', `id ${lastEventId}`), ' ']
  return make('li', 'event', make('span', 'kind', type), ' ', ...id, make('span', 'text', data))
}

function statusLine ({ status, statusText }) {
  return `${status} ${statusText}`.trim()
}

/** The message in an error response; undefined if there is none. */
function errorMessage (body) {
  try {
    const { message, code } = JSON.parse(body)
    return typeof message !== 'string' ? undefined : typeof code === 'string' ? `${message} (${code})` : message
  } catch {}
}

/** Whether an EventSource would accept the response. */
function isEventStream ({ status, headers }) {
  return status === 200 && /^text\/event-stream\s*(;|$)/i.test(headers.get('content-type') ?? '')
}

/** Makes Enter submit the form with a button, and Shift+Enter start a new line. */
function submitByEnter (field, button) {
  field.addEventListener('keydown', event => {
    // While an input method is active, Enter selects a character.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    field.form.requestSubmit(button)
  })
}

/** A panel with a state, figures, a list of rows and a button that stops the stream. */
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
      this.disconnect('stopped by you')
      this.setState('closed', 'You stopped the stream.')
    })
  }

  #find (selector) {
    return this.#root.querySelector(selector)
  }

  setState (state, sentence, bad = false) {
    this.state = state
    this.#root.dataset.state = state
    this.#root.classList.toggle('bad', bad)
    this.#find('.state').textContent = STATE_NAMES[state]
    this.#find('.says').textContent = sentence
    // A disabled button would lose the focus right after it was pressed.
    this.#find('.stop').setAttribute('aria-disabled', String(state === 'closed'))
  }

  setFigure (name, value) {
    this.#find(`[data-figure=${name}]`).textContent = value
  }

  add (row) {
    // Don't scroll while the user reads earlier rows.
    const atEnd = this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < 20
    this.#list.append(row)
    if (this.#list.childElementCount > MAX_ROWS) {
      this.#list.firstElementChild.remove()
      this.#trim(this.#trimmed + 1)
    }
    if (atEnd) this.#scroll.scrollTop = this.#scroll.scrollHeight
  }

  clear () {
    this.#list.replaceChildren()
    this.#trim(0)
  }

  #trim (count) {
    const note = this.#find('.trimmed')
    this.#trimmed = count
    note.hidden = count === 0
    note.textContent = `Showing the last ${MAX_ROWS} rows; earlier rows removed: ${count}`
  }
}

/** A panel that shows a response chunk by chunk as it is received, and the events decoded from it. */
class WirePanel extends Panel {
  #chunks = 0
  #bytes = 0
  #events = 0

  clear () {
    super.clear()
    this.#chunks = this.#bytes = this.#events = 0
    this.#showCounts()
    this.setFigure('response', '–')
  }

  /** Reads an event stream to its end. @returns whether it ended in the middle of an event */
  async readStream ({ body }, parser) {
    // The byte order mark is shown, too.
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    for await (const bytes of bodyChunks(body)) {
      this.addChunk(bytes.length, decoder.decode(bytes, { stream: true }), [...parser.push(bytes)])
    }
    const text = decoder.decode()
    if (text !== '') this.addChunk(0, text, [])
    return parser.incomplete || text !== ''
  }

  /** Reads a response that an EventSource would not accept. @returns a description */
  async readError (response) {
    const decoder = new TextDecoder()
    let text = ''
    for await (const bytes of bodyChunks(response.body)) {
      const chunk = decoder.decode(bytes, { stream: true })
      text = (text + chunk).slice(0, MAX_ERROR_BODY)
      this.addChunk(bytes.length, chunk, [])
    }
    const what = response.ok ? 'This is not an event stream' : `The server responded with ${statusLine(response)}`
    return `${what}: ${errorMessage(text) ?? response.headers.get('content-type') ?? 'no content type'}`
  }

  /** @param size bytes @param items what the parser returned for the chunk */
  addChunk (size, text, items) {
    this.#chunks++
    this.#bytes += size
    this.#events += items.filter(({ kind }) => kind === 'event').length
    this.#showCounts()
    this.add(make('li', 'chunk',
      make('p', 'when', now(), ` ${size} bytes`),
      make('pre', 'raw', ...markInvisible(text)),
      make('ul', 'items', ...items.filter(({ kind }) => SHOWN_KINDS.includes(kind)).map(itemRow))))
  }

  #showCounts () {
    this.setFigure('chunks', this.#chunks)
    this.setFigure('bytes', this.#bytes)
    this.setFigure('events', this.#events)
  }
}

Object.assign(globalThis, { make, textRow, statusLine, errorMessage, isEventStream, submitByEnter, Panel, WirePanel })
