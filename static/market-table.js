/* The candles of the market page as a table, for screen readers and for exact figures. */

import { price, timeOfDay, whole } from './market-text.js'

/** A row for each candle, the newest first. The table is only updated while it is open. */
export class CandleTable {
  #details
  #body
  /** Rows by the time of their candle. */
  #rows = new Map()
  #candles = []

  constructor (details, body) {
    this.#details = details
    this.#body = body
    details.addEventListener('toggle', () => this.draw(this.#candles))
  }

  draw (candles) {
    this.#candles = candles
    if (!this.#details.open) return
    const times = new Set(candles.map(({ time }) => time))
    for (const [time, { element }] of this.#rows) {
      if (times.has(time)) continue
      element.remove()
      this.#rows.delete(time)
    }
    for (const candle of candles) {
      const row = this.#rows.get(candle.time) ?? this.#add(candle)
      if (row.candle !== candle) row.draw(candle)
    }
  }

  #add ({ time }) {
    const row = new Row(time)
    this.#rows.set(time, row)
    this.#body.prepend(row.element)
    return row
  }
}

class Row {
  element = document.createElement('tr')
  candle

  constructor (time) {
    const moment = document.createElement('time')
    const heading = document.createElement('th')
    moment.dateTime = new Date(time).toISOString()
    moment.textContent = timeOfDay(time)
    heading.scope = 'row'
    heading.append(moment)
    this.element.append(heading)
    for (let cell = 0; cell < 5; cell++) this.element.insertCell()
  }

  draw (candle) {
    const { open, high, low, close, volume } = this.candle = candle
    const texts = [...[open, high, low, close].map(price), whole(volume)]
    for (const [index, text] of texts.entries()) this.element.cells[index + 1].textContent = text
  }
}
