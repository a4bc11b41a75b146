/* The heat map of the market page. */
/* global ResizeObserver */

import { percent } from './market-text.js'
import { squarify } from './market-treemap.js'

/** The changes, as fractions, at which the color of a tile gets stronger. */
const LEVELS = [0.0025, 0.01, 0.03]
/** The height of a sector's heading in pixels. */
const HEADING = 20

/**
 * All instruments by sector. The size of a tile is the instrument's value, its color the change since trading began. It is
 * a listbox: arrow keys move the focus, Enter selects.
 */
export class HeatMap {
  #root
  #onSelect
  #sectors = []
  /** Tiles by symbol. */
  #tiles = new Map()

  /** @param onSelect called with a symbol */
  constructor (root, onSelect) {
    this.#root = root
    this.#onSelect = onSelect
    new ResizeObserver(() => this.#layOut()).observe(root)
    root.addEventListener('keydown', event => this.#moveFocus(event))
    root.addEventListener('click', ({ target }) => {
      const element = target.closest('[role=option]')
      if (element !== null) this.#onSelect(element.dataset.symbol)
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
    this.#tiles = new Map(this.#sectors.flatMap(sector => sector.sortTiles()).map(tile => [tile.symbol, tile]))
    this.#root.replaceChildren(...this.#sectors.map(({ element }) => element))
    this.#layOut()
  }

  /** @param selected a symbol @param prices by symbol */
  draw (selected, prices) {
    for (const [symbol, tile] of this.#tiles) tile.draw(prices[symbol], symbol === selected)
  }

  #layOut () {
    const { clientWidth: width, clientHeight: height } = this.#root
    const boxes = squarify(this.#sectors.map(({ size }) => size), { x: 0, y: 0, width, height })
    for (const [index, sector] of this.#sectors.entries()) sector.layOut(boxes[index])
  }

  #moveFocus (event) {
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

  /** Sorts the tiles by size, the largest first. */
  sortTiles () {
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

  draw (price, selected) {
    const change = price / this.#open - 1
    const level = Math.sign(change) * LEVELS.filter(from => Math.abs(change) >= from).length
    set(this.#change, 'textContent', percent(change))
    set(this.element.dataset, 'level', String(level))
    set(this.element, 'ariaSelected', String(selected))
    // Tab moves to the selected tile, arrow keys to all others.
    set(this.element, 'tabIndex', selected ? 0 : -1)
  }

  layOut (box) {
    place(this.element, box)
    // Text that does not fit is hidden, but read by screen readers.
    this.element.dataset.fit = box.width < 40 || box.height < 20 ? 'nothing' : box.width < 60 || box.height < 40 ? 'symbol' : box.width > 110 && box.height > 60 ? 'large' : 'all'
  }
}

/** Sets a property if its value changes; browsers do the same work for an equal value. */
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
