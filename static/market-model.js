/* The data of the market page. Does not use the DOM. */

/** Maximum samples of statistics: ten minutes. */
const MAX_SAMPLES = 600

export class MarketModel {
  /** Instruments by symbol, in the server's order. */
  instruments = new Map()
  /** The market's id. */
  market
  /** Prices by symbol. */
  #prices
  #instrument
  /** The candles of the instrument, by time. */
  #candles = new Map()
  #samples = new Map()
  #maxCandles
  #events = 0
  /** The time of the last event, on the server's clock. */
  #time

  /** @param market the response of `/market/symbols` @param statistics the response of `/market/statistics` */
  setMarket ({ market, kept, symbols }, { market: other, samples }) {
    this.market = market
    this.#maxCandles = kept
    this.instruments = new Map(symbols.map(instrument => [instrument.symbol, instrument]))
    this.#prices = Object.fromEntries(symbols.map(({ symbol, price }) => [symbol, price]))
    // Two requests may reach two processes, each with a market of its own.
    this.#samples = byTime(market === other ? samples : [])
  }

  /** @param history the response of `/market/candles/…` @param time of the response, on the server's clock */
  setInstrument (symbol, { candles }, time) {
    this.#time = time
    this.#instrument = this.instruments.get(symbol)
    this.#candles = byTime(candles)
  }

  addEvent (type, data, time) {
    this.#events++
    this.#time = time
    if (type === 'candle') put(this.#candles, data, this.#maxCandles)
    else if (type === 'statistics') put(this.#samples, data, MAX_SAMPLES)
    else this.#prices = data.prices
  }

  /** A copy of the current data. */
  snapshot () {
    return {
      instrument: this.#instrument,
      candles: Array.from(this.#candles.values()),
      prices: this.#prices,
      samples: Array.from(this.#samples.values()),
      events: this.#events,
      time: this.#time
    }
  }
}

function byTime (items) {
  return new Map(items.map(item => [item.time, item]))
}

/** Replaces the item of the same time, or adds the item and removes the oldest. */
function put (items, item, max) {
  items.set(item.time, item)
  if (items.size > max) items.delete(items.keys().next().value)
}
