/* Renders growing Markdown. Only blocks that may still change are parsed again. */

import { Lexer, Marked } from './vendor/marked.js'
import { mend } from './conversation-mend.js'
import { sanitize } from './conversation-sanitize.js'

/** Blocks at the end that later text may change, such as a paragraph that becomes part of the list before it. */
const OPEN_BLOCKS = 2
/** Heading levels that the page itself uses. */
const PAGE_HEADING_LEVELS = 2

/** HTML tags that are rendered. */
const ALLOWED_HTML = /^<\/?(?:b|br|del|em|i|ins|kbd|mark|s|strong|sub|sup|u)\s?\/?>$/i

const marked = new Marked({
  gfm: true,
  renderer: {
    heading ({ depth, tokens }) {
      const level = Math.min(depth + PAGE_HEADING_LEVELS, 6)
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`
    },
    // All other HTML is shown as text. Parsing it could violate the content security policy.
    html: ({ text }) => ALLOWED_HTML.test(text) ? text : escape(text),
    // A real checkbox would need a label, and could not be used.
    checkbox: ({ checked }) => checked ? '☑ ' : '☐ '
  }
})

/** Renders a text into an element, block by block. */
export class MarkdownView {
  #element
  /** The rendered blocks, as `{ html, element }`. */
  #blocks = []
  /** How many of the first blocks are final, and their text. */
  #finalCount = 0
  #finalText = ''
  /** Link definitions by name. */
  #links = {}

  constructor (element) {
    this.#element = element
  }

  /**
   * @param text the whole text so far
   * @param finished whether the text is complete
   */
  show (text, finished) {
    // The lexer does the same, and its offsets refer to the result.
    text = text.replaceAll(/\r\n?/g, '\n')
    // A link definition at the end may change earlier blocks.
    if (finished || !text.startsWith(this.#finalText)) this.#reset()
    const rest = text.slice(this.#finalText.length)
    const lexer = new Lexer(marked.defaults)
    Object.assign(lexer.tokens.links, this.#links)
    const tokens = lexer.lex(finished ? rest : mend(rest))
    const finalTokens = finished ? tokens.length : countFinal(tokens)
    this.#draw(tokens.filter(isBlock))
    this.#markFinal(tokens.slice(0, finalTokens), rest, lexer.tokens.links)
    for (const { element } of this.#blocks.slice(0, finished ? undefined : this.#finalCount)) addCopyButton(element)
  }

  #reset () {
    this.#finalCount = 0
    this.#finalText = ''
    this.#links = {}
  }

  #markFinal (tokens, rest, links) {
    const text = tokens.map(({ raw }) => raw).join('')
    if (!rest.startsWith(text)) return
    this.#finalText += text
    this.#links = links
    this.#finalCount += tokens.filter(isBlock).length
  }

  #draw (tokens) {
    for (const [index, token] of tokens.entries()) this.#drawBlock(this.#finalCount + index, marked.parser([token]))
    for (const { element } of this.#blocks.splice(this.#finalCount + tokens.length)) element.remove()
  }

  #drawBlock (index, html) {
    const block = this.#blocks[index]
    if (block?.html === html) return
    const element = make('div', sanitize(html))
    decorate(element)
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

/** How many of the first tokens later text can't change. */
function countFinal (tokens) {
  const blocks = Array.from(tokens.keys()).filter(index => isBlock(tokens[index]))
  return blocks.at(-OPEN_BLOCKS) ?? 0
}

/** Makes wide tables and code scrollable, also by keyboard, and labels code with its language. */
function decorate (element) {
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

/** Adds a copy button to code blocks. */
function addCopyButton (element) {
  for (const caption of element.querySelectorAll('figcaption:not(:has(button))')) {
    const button = make('button', 'Copy')
    button.type = 'button'
    button.className = 'copy'
    button.ariaLabel = 'Copy the code'
    caption.append(button)
  }
}
