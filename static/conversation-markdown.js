/* Markdown as it grows: what is finished stays as it is, and only what may still change is parsed again. */

import { Lexer, Marked } from './vendor/marked.js'
import { mend } from './conversation-mend.js'
import { sanitize } from './conversation-sanitize.js'

/** Blocks at the end that what follows may change: a paragraph that becomes an item of the list before it. */
const OPEN = 2
/** The page has headings of its own above those of an answer. */
const LEVELS_ABOVE = 2

/** What authors of Markdown write for want of a mark. */
const HARMLESS = /^<\/?(?:b|br|del|em|i|ins|kbd|mark|s|strong|sub|sup|u)\s?\/?>$/i

const marked = new Marked({
  gfm: true,
  renderer: {
    heading ({ depth, tokens }) {
      const level = Math.min(depth + LEVELS_ABOVE, 6)
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`
    },
    // All other HTML is shown as it is written: it would be reported to break the page's policy by being parsed at all.
    html: ({ text }) => HARMLESS.test(text) ? text : escape(text),
    // Nobody can tick it, and it would need a label.
    checkbox: ({ checked }) => checked ? '☑ ' : '☐ '
  }
})

/** An element that shows a text, block by block. */
export class MarkdownView {
  #element
  /** `{ html, element }` of what is shown. */
  #blocks = []
  /** How many of them will not change any more, and the text that made them. */
  #settled = 0
  #text = ''
  /** What links refer to by name. */
  #links = {}

  constructor (element) {
    this.#element = element
  }

  /**
   * @param text the whole, which mostly begins with what is shown already
   * @param finished whether there will be no more of it
   */
  show (text, finished) {
    // As the lexer does, which counts characters afterwards.
    text = text.replaceAll(/\r\n?/g, '\n')
    // The end of a text may change its beginning, where that refers to a link by its name.
    if (finished || !text.startsWith(this.#text)) this.#unsettle()
    const rest = text.slice(this.#text.length)
    const lexer = new Lexer(marked.defaults)
    Object.assign(lexer.tokens.links, this.#links)
    const tokens = lexer.lex(finished ? rest : mend(rest))
    const settling = finished ? tokens.length : settledIn(tokens)
    this.#draw(tokens.filter(isBlock))
    this.#settle(tokens.slice(0, settling), rest, lexer.tokens.links)
    for (const { element } of this.#blocks.slice(0, finished ? undefined : this.#settled)) addCopy(element)
  }

  #unsettle () {
    this.#settled = 0
    this.#text = ''
    this.#links = {}
  }

  #settle (tokens, rest, links) {
    const text = tokens.map(({ raw }) => raw).join('')
    if (!rest.startsWith(text)) return
    this.#text += text
    this.#links = links
    this.#settled += tokens.filter(isBlock).length
  }

  #draw (tokens) {
    for (const [index, token] of tokens.entries()) this.#drawBlock(this.#settled + index, marked.parser([token]))
    for (const { element } of this.#blocks.splice(this.#settled + tokens.length)) element.remove()
  }

  #drawBlock (index, html) {
    const block = this.#blocks[index]
    if (block?.html === html) return
    const element = make('div', sanitize(html))
    furnish(element)
    if (block === undefined) this.#element.append(element)
    else block.element.replaceWith(element)
    this.#blocks[index] = { html, element }
  }
}

function escape (text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function isBlock ({ type }) {
  return type !== 'space'
}

/** How many of the first tokens what follows does not change. */
function settledIn (tokens) {
  const blocks = Array.from(tokens.keys()).filter(index => isBlock(tokens[index]))
  return blocks.at(-OPEN) ?? 0
}

/** Lets what is too wide be scrolled, by keyboard as well, and says what language code is in. */
function furnish (element) {
  for (const table of element.querySelectorAll('table')) wrap(table, scrollable('table', 'Table'))
  for (const pre of element.querySelectorAll('pre')) {
    const language = /language-(\S+)/.exec(pre.firstElementChild?.className)?.[1] ?? 'text'
    const scroll = scrollable('code', `Code: ${language}`)
    wrap(pre, scroll)
    wrap(scroll, make('figure'))
    scroll.before(make('figcaption', language))
  }
}

function wrap (element, wrapper) {
  element.replaceWith(wrapper)
  wrapper.append(element)
}

function scrollable (className, name) {
  const element = make('div')
  element.className = className
  element.role = 'group'
  element.ariaLabel = name
  element.tabIndex = 0
  return element
}

function make (tag, ...content) {
  const element = document.createElement(tag)
  element.append(...content)
  return element
}

/** Code that is complete can be copied. */
function addCopy (element) {
  for (const caption of element.querySelectorAll('figcaption:not(:has(button))')) {
    const button = make('button', 'Copy')
    button.type = 'button'
    button.className = 'copy'
    button.ariaLabel = 'Copy the code'
    caption.append(button)
  }
}
