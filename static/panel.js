/* What the page of the chat and the inspector have in common: a panel that says how a stream is, and shows what comes.
   A classic script, since a page that is opened from the disk gets no modules. Texts reach the page as text, never as
   HTML. */
/* global bodyChunks */

/** Rows that a list keeps: a page that is left open over night shall not grow. */
const KEEP = 300
/** Characters of an answer that is no stream, kept to look for its message in. */
const MAX_ANSWER = 10_000

/** Kinds of items that have a row. */
const SHOWN = ['event', 'comment', 'retry']

const WORDS = { connecting: 'Connecting', open: 'Open', reconnecting: 'Reconnecting', closed: 'Closed' }

const MARKS = { '\r\n': 'CRLF', '\n': 'LF', '\r': 'CR', '\t': 'TAB', '\0': 'NUL', '\uFEFF': 'BOM' }
/** Line ends, and characters that cannot be seen or turn what follows around. */
const UNSEEN = /(\r\n|[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\uFEFF])/u

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

/** A row that is a sentence. The text comes first, for those who listen to it. */
function station (kind, text) {
  return make('li', kind, make('span', 'text', text), now())
}

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
function shown ({ kind, type, data, lastEventId, text, retry }) {
  if (kind === 'comment') return make('li', 'aside', make('span', 'kind', 'comment'), ' ', make('span', 'text', text))
  if (kind === 'retry') return make('li', 'aside', make('span', 'kind', 'retry'), ' ', make('span', 'text', `${retry} ms`))
  const id = lastEventId === '' ? [] : [make('span', 'kind', `id ${lastEventId}`), ' ']
  return make('li', 'event', make('span', 'kind', type), ' ', ...id, make('span', 'text', data))
}

/** A status, as a person reads it. */
function statusOf ({ status, statusText }) {
  return `${status} ${statusText}`.trim()
}

/** What an error of the server says for people, if it is one. */
function messageIn (answer) {
  try {
    const { message, code } = JSON.parse(answer)
    return typeof message !== 'string' ? undefined : typeof code === 'string' ? `${message} (${code})` : message
  } catch {}
}

/** Whether an EventSource would read it. */
function isEventStream ({ status, headers }) {
  return status === 200 && /^text\/event-stream\s*(;|$)/i.test(headers.get('content-type') ?? '')
}

/** Has Enter press a button of the form, in a field whose lines Shift and Enter break. */
function submitByEnter (field, button) {
  field.addEventListener('keydown', event => {
    // While an input method composes, Enter picks a character.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    field.form.requestSubmit(button)
  })
}

/** What a panel of any kind has: a state in words, figures, a list of rows, and a way to stop. */
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

/** A panel that shows answers as they come over the wire, chunk by chunk, and what a decoder makes of them. */
class WirePanel extends Panel {
  #chunks = 0
  #bytes = 0
  #events = 0

  clear () {
    super.clear()
    this.#chunks = this.#bytes = this.#events = 0
    this.#count()
    this.figure('answer', '–')
  }

  /** Reads an event stream to its end. @returns whether that was within an event */
  async readStream ({ body }, parser) {
    // The byte order mark is kept, so that it can be seen.
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    for await (const bytes of bodyChunks(body)) {
      this.received(bytes.length, decoder.decode(bytes, { stream: true }), [...parser.push(bytes)])
    }
    const text = decoder.decode()
    if (text !== '') this.received(0, text, [])
    return parser.incomplete || text !== ''
  }

  /** Reads an answer that an EventSource would say nothing about. @returns what there is to say of it */
  async readRefusal (response) {
    const decoder = new TextDecoder()
    let answer = ''
    for await (const bytes of bodyChunks(response.body)) {
      const text = decoder.decode(bytes, { stream: true })
      answer = (answer + text).slice(0, MAX_ANSWER)
      this.received(bytes.length, text, [])
    }
    const what = response.ok ? 'This is not an event stream' : `The server refused with ${statusOf(response)}`
    return `${what}: ${messageIn(answer) ?? response.headers.get('content-type') ?? 'without a content type'}`
  }

  /** Shows a chunk. @param size bytes, @param items what it completed */
  received (size, text, items) {
    this.#chunks++
    this.#bytes += size
    this.#events += items.filter(({ kind }) => kind === 'event').length
    this.#count()
    this.add(make('li', 'chunk',
      make('p', 'when', now(), ` ${size} bytes`),
      make('pre', 'raw', ...marked(text)),
      make('ul', 'items', ...items.filter(({ kind }) => SHOWN.includes(kind)).map(shown))))
  }

  #count () {
    this.figure('chunks', this.#chunks)
    this.figure('bytes', this.#bytes)
    this.figure('events', this.#events)
  }
}

Object.assign(globalThis, { make, station, statusOf, messageIn, isEventStream, submitByEnter, Panel, WirePanel })
