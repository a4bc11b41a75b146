/* The conversation in the browser's storage, shared by all tabs. Does not use the DOM. */
/* global addEventListener, localStorage */

const KEY = 'conversation'
/** Maximum messages that are stored, and characters in them. */
const MAX_MESSAGES = 100
const MAX_CHARACTERS = 1_000_000
/** Maximum messages and bytes of a request. */
const MAX_REQUEST_MESSAGES = 100
const MAX_REQUEST_BYTES = 64 * 1024

const ACTIVE = ['asking', 'running']

/**
 * Messages, the oldest first. Questions are `{ id, role: 'user', content }`; answers are
 * `{ id, role: 'assistant', content, reasoning, state, url, lastEventId, finishReason, usage, failure }`. The state is
 *
 * - `asking`: the request may not have reached the server. The id of the answer is the idempotency key
 * - `running`: the answer is in progress at `url`, and stored up to the event `lastEventId`
 * - `done`, `failed` or `aborted`; `lost` if the server no longer has it
 *
 * Every tab may change the conversation before it has seen a change from another tab. Each change has a revision number,
 * and the highest wins: a tab whose change was overwritten by a lower revision writes it again. Each conversation has a
 * number, too, which is compared first: a new conversation wins over any change to the previous one.
 */
export class ConversationStore {
  messages = []
  /** Whether the first messages were removed. */
  trimmed = false
  /** Whether the browser can store the conversation. */
  persistent = true
  /** The numbers of the current content. They start below those of an empty storage. */
  #conversation = 0
  #revision = -1
  #onChange

  /** @param onChange called after each change, in this tab or another */
  constructor (onChange) {
    this.#onChange = onChange
    this.#read()
    addEventListener('storage', ({ key, newValue }) => {
      // The key is null if the storage was cleared.
      if (key === KEY || key === null) this.#onWrite(newValue)
    })
  }

  /** The answers in progress. */
  get active () {
    return this.messages.filter(isActive)
  }

  /** Adds a question and its answer. @returns false if another answer is in progress */
  addQuestion (content) {
    return this.#change(() => {
      if (this.active.length > 0) return false
      this.messages.push({ id: randomId(), role: 'user', content }, newAnswer())
      return true
    })
  }

  /** Replaces the last answer. @returns false if it is in progress, or no longer the last */
  retry (id) {
    return this.#change(() => {
      const last = this.messages.at(-1)
      if (last?.id !== id || isActive(last)) return false
      this.messages.splice(-1, 1, newAnswer())
      return true
    })
  }

  /** Changes an answer in progress. @returns false if it has ended or does not exist */
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
      this.#onChange()
    }
    return changed
  }

  /** Adopts a newer state that another tab has written. */
  #read () {
    if (!this.persistent) return
    try {
      const state = parse(localStorage.getItem(KEY))
      if (this.#compare(state) > 0) this.#adopt(state)
    } catch {
      // Storage is disabled.
      this.persistent = false
    }
  }

  #write () {
    this.#revision++
    if (!this.persistent) return
    try {
      localStorage.setItem(KEY, this.#text)
    } catch {
      this.persistent = false
    }
  }

  /** Handles a change from another tab. @param text null if the storage was cleared */
  #onWrite (text) {
    const state = parse(text)
    // All tabs resolve two simultaneous changes in the same way.
    const order = this.#compare(state) || Number(text > this.#text)
    if (text === null) this.#adopt({ ...state, conversation: this.#conversation, revision: this.#revision })
    else if (order > 0) this.#adopt(state)
    else if (text !== this.#text) this.#write()
    this.#onChange()
  }

  /** @returns a positive number for a state that wins over the current one */
  #compare ({ conversation, revision }) {
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
    // The last question and its answer are always kept.
    const dropped = this.messages.splice(0, Math.min(from, Math.max(this.messages.length - 2, 0)))
    if (dropped.length > 0) this.trimmed = true
  }
}

/** Parses a stored conversation. Malformed data is an empty conversation. */
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
 * Creates a request with as many of the last messages as the limits allow.
 *
 * @returns `from`, the number of messages omitted, and `body`; undefined if the last message alone is too large
 */
export function requestFor (messages) {
  const all = messages.map(({ role, content }) => ({ role, content }))
  let bytes = '{"messages":[]}'.length
  const from = all.findLastIndex((message, index) => {
    bytes += new TextEncoder().encode(JSON.stringify(message)).length + 1
    return all.length - index > MAX_REQUEST_MESSAGES || bytes > MAX_REQUEST_BYTES
  }) + 1
  if (from === all.length) return undefined
  // An answer that failed at the start is empty.
  return { from, body: JSON.stringify({ messages: all.slice(from).filter(({ content }) => content !== '') }) }
}

function newAnswer () {
  return { id: randomId(), role: 'assistant', content: '', state: 'asking' }
}

/** `crypto.randomUUID` is only available to secure origins. */
function randomId () {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')
}

function isMessage (message) {
  return typeof message?.id === 'string' && typeof message.content === 'string' && ['user', 'assistant'].includes(message.role)
}
