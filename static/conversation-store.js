/* The conversation as the browser keeps it, for all its tabs. No DOM in here. */
/* global addEventListener, localStorage */

const KEY = 'conversation'
/** Messages that are kept, and characters in them. */
const MAX_MESSAGES = 100
const MAX_CHARACTERS = 1_000_000
/** What the server takes: messages, and bytes of a request. */
const MAX_ASKED = 100
const MAX_BYTES = 64 * 1024

const ACTIVE = ['asking', 'running']

/**
 * Messages, the oldest first. Those of the person are `{ id, role: 'user', content }`, the answers
 * `{ id, role: 'assistant', content, reasoning, state, url, lastEventId, finishReason, usage, failure }`, of which `state`
 * is
 *
 * - `asking`: the server may not know of it yet. The id of the answer is the key by which it tells a repeated request
 * - `running`: it is being given at `url`. What there is of it goes up to the event `lastEventId`
 * - `done`, `failed`, `aborted`, or `lost`, where the server has no more of it
 *
 * All tabs change it, and one may not have heard yet of what another has done. Each change has a number, and the highest
 * prevails: a tab that finds its own overwritten by a lower one writes it again. Each conversation has a number as well,
 * which counts first: one that was begun anew prevails over whatever is done meanwhile to the one before.
 */
export class ConversationStore {
  messages = []
  /** Whether the first messages were not kept. */
  trimmed = false
  /** Whether it survives the page. */
  kept = true
  /** The numbers of what is here; before anything was read, lower than those of nothing. */
  #conversation = 0
  #revision = -1
  #changed

  /** @param changed called after each change, here or in another tab */
  constructor (changed) {
    this.#changed = changed
    this.#read()
    addEventListener('storage', ({ key, newValue }) => {
      // No key: all was cleared.
      if (key === KEY || key === null) this.#written(newValue)
    })
  }

  /** The answers that are not over. */
  get active () {
    return this.messages.filter(isActive)
  }

  /** What the person says, and a place for the answer to it. @returns false if another answer is not over */
  say (content) {
    return this.#change(() => {
      if (this.active.length > 0) return false
      this.messages.push({ id: randomId(), role: 'user', content }, newAnswer())
      return true
    })
  }

  /** Asks again for the last answer. @returns false if it is not over, or not the last any more */
  retry (id) {
    return this.#change(() => {
      const last = this.messages.at(-1)
      if (last?.id !== id || isActive(last)) return false
      this.messages.splice(-1, 1, newAnswer())
      return true
    })
  }

  /** Changes an answer that is not over. @returns false if it is, or there is no such answer any more */
  update (id, changes) {
    return this.#change(() => {
      const answer = this.messages.find(message => message.id === id)
      if (answer === undefined || !isActive(answer)) return false
      Object.assign(answer, changes)
      return true
    })
  }

  clear () {
    this.#change(() => {
      this.#conversation++
      this.messages = []
      this.trimmed = false
      return true
    })
  }

  #change (change) {
    this.#read()
    const changed = change()
    if (changed) {
      this.#trim()
      this.#write()
      this.#changed()
    }
    return changed
  }

  /** Takes over what another tab has written, where this one has not heard of it yet. */
  #read () {
    if (!this.kept) return
    try {
      const state = parse(localStorage.getItem(KEY))
      if (this.#distanceTo(state) > 0) this.#adopt(state)
    } catch {
      // The browser lets no page keep anything.
      this.kept = false
    }
  }

  #write () {
    this.#revision++
    if (!this.kept) return
    try {
      localStorage.setItem(KEY, this.#text)
    } catch {
      this.kept = false
    }
  }

  /** Another tab has changed it. @param text null where all is gone */
  #written (text) {
    const state = parse(text)
    // Of two changes at once, all tabs choose the same.
    const distance = this.#distanceTo(state) || Number(text > this.#text)
    if (text === null) this.#adopt({ ...state, conversation: this.#conversation, revision: this.#revision })
    else if (distance > 0) this.#adopt(state)
    else if (text !== this.#text) this.#write()
    this.#changed()
  }

  /** More than 0 for what prevails over what is here, less for what does not. */
  #distanceTo ({ conversation, revision }) {
    return conversation - this.#conversation || revision - this.#revision
  }

  #adopt ({ messages, trimmed, conversation, revision }) {
    this.messages = messages
    this.trimmed = trimmed
    this.#conversation = conversation
    this.#revision = revision
  }

  get #text () {
    const { messages, trimmed } = this
    return JSON.stringify({ conversation: this.#conversation, revision: this.#revision, trimmed, messages })
  }

  #trim () {
    let characters = 0
    const from = this.messages.findLastIndex(({ content, reasoning = '' }, index) => {
      characters += content.length + reasoning.length
      return this.messages.length - index > MAX_MESSAGES || characters > MAX_CHARACTERS
    }) + 1
    // The last question is there, however long the answer to it is.
    const dropped = this.messages.splice(0, Math.min(from, Math.max(this.messages.length - 2, 0)))
    if (dropped.length > 0) this.trimmed = true
  }
}

/** What is kept; nothing, where it is not what was written here. */
function parse (text) {
  try {
    const { messages, trimmed, conversation, revision } = JSON.parse(text)
    return { messages: messages.filter(isMessage), trimmed: trimmed === true, conversation: Number(conversation) || 0, revision: Number(revision) || 0 }
  } catch {
    return { messages: [], trimmed: false, conversation: 0, revision: 0 }
  }
}

export function isActive ({ state }) {
  return ACTIVE.includes(state)
}

/**
 * As much of the last messages as the server takes, as it takes them.
 *
 * @returns `from`, how many of the first are left out, and `body`, the request; undefined where not even the last fits
 */
export function requestFor (messages) {
  const all = messages.map(({ role, content }) => ({ role, content }))
  let bytes = '{"messages":[]}'.length
  const from = all.findLastIndex((message, index) => {
    bytes += new TextEncoder().encode(JSON.stringify(message)).length + 1
    return all.length - index > MAX_ASKED || bytes > MAX_BYTES
  }) + 1
  if (from === all.length) return undefined
  // An answer that failed at once has said nothing.
  return { from, body: JSON.stringify({ messages: all.slice(from).filter(({ content }) => content !== '') }) }
}

function newAnswer () {
  return { id: randomId(), role: 'assistant', content: '', state: 'asking' }
}

/** Not `crypto.randomUUID`, which is there on secure origins only. */
function randomId () {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')
}

function isMessage (message) {
  return typeof message?.id === 'string' && typeof message.content === 'string' && ['user', 'assistant'].includes(message.role)
}
