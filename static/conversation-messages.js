/* The messages on the page, each with what can be done about it. */
/* global cancelAnimationFrame, requestAnimationFrame */

import { MarkdownView } from './conversation-markdown.js'
import { isActive } from './conversation-store.js'
import { outcomeOf } from './conversation-words.js'

/** What a frame may cost, at most, of the time until the next: the page is there for other things as well. */
const SHARE = 1 / 4

/** The list of all messages; it keeps those that are shown already. */
export class MessageList {
  #element
  #forgotten
  #views = new Map()

  /** @param forgotten what stands between the messages that the model does not read any more and the others */
  constructor (element, forgotten) {
    this.#element = element
    this.#forgotten = forgotten
  }

  /**
   * @param messages those that there are
   * @param from how many of the first the model does not read any more
   */
  show (messages, from) {
    const ids = new Set(messages.map(({ id }) => id))
    for (const [id, view] of this.#views) {
      if (ids.has(id)) continue
      view.element.remove()
      this.#views.delete(id)
    }
    for (const message of messages) this.#viewOf(message).show(message)
    this.#forgotten.hidden = from === 0
    if (from > 0) this.#views.get(messages[from].id).element.before(this.#forgotten)
  }

  /** Shows what there is of an answer up to now. */
  stream (id, content, reasoning) {
    this.#views.get(id).stream(content, reasoning)
  }

  #viewOf (message) {
    const known = this.#views.get(message.id)
    if (known !== undefined) return known
    const view = message.role === 'user' ? new QuestionView() : new AnswerView(message.id)
    this.#views.set(message.id, view)
    this.#element.append(view.element)
    return view
  }
}

function copyOf (template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true)
}

class QuestionView {
  element = copyOf('question')

  show ({ content }) {
    this.element.querySelector('.text').textContent = content
  }
}

class AnswerView {
  element = copyOf('answer')
  #markdown = new MarkdownView(this.#find('.markdown'))
  #content = ''
  #reasoning = ''
  #frame
  /** By `performance.now()`. */
  #notBefore = 0

  constructor (id) {
    this.element.dataset.id = id
  }

  #find (selector) {
    return this.element.querySelector(selector)
  }

  show (answer) {
    const { content, reasoning = '', state } = answer
    // What is being given comes by `stream`, and is ahead of what is kept.
    if (state === this.element.dataset.state) return
    const outcome = outcomeOf(answer)
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

  /** At most once a frame, and less often where that is too much. */
  stream (content, reasoning) {
    this.#content = content
    this.#reasoning = reasoning
    this.#frame ??= requestAnimationFrame(() => this.#drawSoon())
  }

  #drawSoon () {
    this.#frame = undefined
    if (performance.now() < this.#notBefore) this.stream(this.#content, this.#reasoning)
    else this.#draw(false)
  }

  #draw (finished) {
    cancelAnimationFrame(this.#frame)
    this.#frame = undefined
    const begin = performance.now()
    this.#find('.reasoning').hidden = this.#reasoning === ''
    this.#find('.thoughts').textContent = this.#reasoning
    this.#markdown.show(this.#content, finished)
    const end = performance.now()
    this.#notBefore = end + (end - begin) * (1 / SHARE - 1)
  }
}
