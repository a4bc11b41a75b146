/* The messages on the page, each with its actions. */
/* global cancelAnimationFrame, requestAnimationFrame */

import { MarkdownView } from './conversation-markdown.js'
import { isActive } from './conversation-store.js'
import { describeOutcome } from './conversation-words.js'

/** Maximum share of the time that drawing an answer may take. */
const MAX_SHARE = 1 / 4

/** The list of all messages. Elements of messages that are still shown are reused. */
export class MessageList {
  #element
  #omittedNote
  #views = new Map()

  /** @param omittedNote shown between the messages that requests omit and the others */
  constructor (element, omittedNote) {
    this.#element = element
    this.#omittedNote = omittedNote
  }

  /** @param omitted how many of the first messages requests omit */
  show (messages, omitted) {
    const ids = new Set(messages.map(({ id }) => id))
    for (const [id, view] of this.#views) {
      if (ids.has(id)) continue
      view.element.remove()
      this.#views.delete(id)
    }
    for (const message of messages) this.#viewOf(message).show(message)
    this.#omittedNote.hidden = omitted === 0
    if (omitted > 0) this.#views.get(messages[omitted].id).element.before(this.#omittedNote)
  }

  /** Shows the part of an answer received so far. */
  stream (id, content, reasoning) {
    this.#views.get(id).stream(content, reasoning)
  }

  #viewOf (message) {
    const existing = this.#views.get(message.id)
    if (existing !== undefined) return existing
    const view = message.role === 'user' ? new QuestionView() : new AnswerView(message.id)
    this.#views.set(message.id, view)
    this.#element.append(view.element)
    return view
  }
}

function cloneTemplate (id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true)
}

class QuestionView {
  element = cloneTemplate('question')

  show ({ content }) {
    this.element.querySelector('.text').textContent = content
  }
}

class AnswerView {
  element = cloneTemplate('answer')
  #markdown = new MarkdownView(this.#find('.markdown'))
  #content = ''
  #reasoning = ''
  #frame
  /** The earliest time of the next drawing, as `performance.now()`. */
  #notBefore = 0

  constructor (id) {
    this.element.dataset.id = id
  }

  #find (selector) {
    return this.element.querySelector(selector)
  }

  show (answer) {
    const { content, reasoning = '', state } = answer
    // `stream` shows more of an answer in progress than is stored.
    if (state === this.element.dataset.state) return
    const outcome = describeOutcome(answer)
    this.element.dataset.state = state
    this.element.ariaBusy = String(isActive(answer))
    this.#find('.outcome').hidden = outcome === undefined
    this.#find('.outcome').textContent = outcome ?? ''
    this.#find('.actions').hidden = isActive(answer)
    this.#find('.copy-answer').hidden = content === ''
    this.#find('.retry').hidden = state === 'done'
    this.#content = content
    this.#reasoning = reasoning
    this.#draw(!isActive(answer))
  }

  /** Draws at most once per frame, and less often if drawing takes long. */
  stream (content, reasoning) {
    this.#content = content
    this.#reasoning = reasoning
    this.#frame ??= requestAnimationFrame(() => this.#drawIfDue())
  }

  #drawIfDue () {
    this.#frame = undefined
    if (performance.now() < this.#notBefore) this.stream(this.#content, this.#reasoning)
    else this.#draw(false)
  }

  #draw (finished) {
    cancelAnimationFrame(this.#frame)
    this.#frame = undefined
    const start = performance.now()
    this.#find('.reasoning').hidden = this.#reasoning === ''
    this.#find('.thoughts').textContent = this.#reasoning
    this.#markdown.show(this.#content, finished)
    const end = performance.now()
    this.#notBefore = end + (end - start) * (1 / MAX_SHARE - 1)
  }
}
