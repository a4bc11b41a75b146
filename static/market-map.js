/* The heat map of the market's page. */
/* global ResizeObserver */

import { percent } from './market-text.js'
import { squarify } from './market-treemap.js'

/** The changes, as parts of one, from which on a tile has more colour. */
const LEVELS = [0.0025, 0.01, 0.03]
/** Pixels of a sector's heading. */
const HEADING = 20

/**
 * All instruments, by sector, as large as they are worth, coloured by the change since trade began. It is a list to
 * choose from: arrows go from one to the next, Enter chooses.
 */
export class HeatMap {
  #root
  #onChosen
  #sectors = []
  /** By symbol. */
  #tiles = new Map()

  /** @param onChosen called with a symbol */
  constructor (root, onChosen) {
    this.#root = root
    this.#onChosen = onChosen
    new ResizeObserver(() => this.#layOut()).observe(root)
    root.addEventListener('keydown', event => this.#move(event))
    root.addEventListener('click', ({ target }) => {
      const element = target.closest('[role=option]')
      if (element !== null) this.#onChosen(element.dataset.symbol)
    })
  }

  /** @param instruments by symbol */
  begin (instruments) {
    const sectors = new Map()
    for (const instrument of instruments.values()) {
      if (!sectors.has(instrument.sector)) sectors.set(instrument.sector, new Sector(instrument.sector))
      sectors.get(instrument.sector).add(new Tile(instrument))
    }
    this.#sectors = Array.from(sectors.values()).sort(bySize)
    this.#tiles = new Map(this.#sectors.flatMap(sector => sector.arrange()).map(tile => [tile.symbol, tile]))
    this.#root.replaceChildren(...this.#sectors.map(({ element }) => element))
    this.#layOut()
  }

  /** @param chosen a symbol, @param prices by symbol */
  draw (chosen, prices) {
    for (const [symbol, tile] of this.#tiles) tile.draw(prices[symbol], symbol === chosen)
  }

  #layOut () {
    const { clientWidth: width, clientHeight: height } = this.#root
    const boxes = squarify(this.#sectors.map(({ size }) => size), { x: 0, y: 0, width, height })
    for (const [index, sector] of this.#sectors.entries()) sector.layOut(boxes[index])
  }

  #move (event) {
    const tiles = Array.from(this.#tiles.values(), ({ element }) => element)
    const at = tiles.indexOf(document.activeElement)
    const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: tiles.length - 1 }[event.key]
    if (to === undefined) return
    event.preventDefault()
    tiles[to]?.focus()
  }
}

/** The instruments of a sector. */
class Sector {
  element = document.createElement('div')
  size = 0
  #tiles = []

  constructor (name) {
    const heading = document.createElement('span')
    heading.className = 'heading'
    heading.textContent = name
    heading.ariaHidden = 'true'
    this.element.className = 'sector'
    this.element.role = 'group'
    this.element.ariaLabel = name
    this.element.append(heading)
  }

  add (tile) {
    this.#tiles.push(tile)
    this.size += tile.size
  }

  /** @returns its tiles, the greatest first */
  arrange () {
    this.#tiles.sort(bySize)
    this.element.append(...this.#tiles.map(({ element }) => element))
    return this.#tiles
  }

  layOut (box) {
    place(this.element, box)
    const boxes = squarify(this.#tiles.map(({ size }) => size), { x: 0, y: HEADING, width: box.width, height: Math.max(box.height - HEADING, 1) })
    for (const [index, tile] of this.#tiles.entries()) tile.layOut(boxes[index])
  }
}

/** One instrument. */
class Tile {
  element = document.createElement('button')
  symbol
  size
  #open
  #change = document.createElement('span')

  constructor ({ symbol, name, size, open }) {
    const label = document.createElement('strong')
    label.textContent = symbol
    this.symbol = symbol
    this.size = size
    this.#open = open
    this.element.type = 'button'
    this.element.className = 'tile'
    this.element.role = 'option'
    this.element.title = name
    this.element.dataset.symbol = symbol
    this.element.append(label, ' ', this.#change)
  }

  draw (price, chosen) {
    const change = price / this.#open - 1
    const level = Math.sign(change) * LEVELS.filter(from => Math.abs(change) >= from).length
    set(this.#change, 'textContent', percent(change))
    set(this.element.dataset, 'level', String(level))
    set(this.element, 'ariaSelected', String(chosen))
    // Tab comes to the one that is chosen, arrows to all others.
    set(this.element, 'tabIndex', chosen ? 0 : -1)
  }

  layOut (box) {
    place(this.element, box)
    // What does not fit is not shown, but can be heard.
    this.element.dataset.fit = box.width < 40 || box.height < 20 ? 'nothing' : box.width < 60 || box.height < 40 ? 'symbol' : box.width > 110 && box.height > 60 ? 'large' : 'all'
  }
}

/** Sets a property, where that changes it: to set it costs the browser work all the same. */
function set (target, property, value) {
  if (target[property] !== value) target[property] = value
}

function place ({ style }, { x, y, width, height }) {
  style.left = `${x}px`
  style.top = `${y}px`
  style.width = `${width}px`
  style.height = `${height}px`
}

function bySize (a, b) {
  return b.size - a.size
}
