/* What the market's page knows. No DOM in here. */

/** Samples that are kept: ten minutes. */
const SAMPLES = 600

/** The market, as far as the page was told of it. */
export class MarketModel {
  /** By symbol, in the order of the server. */
  instruments = new Map()
  /** Which market it is. */
  market
  /** By symbol. */
  #prices
  /** The instrument whose candles these are. */
  #instrument
  #candles = new Map()
  #samples = new Map()
  #kept
  #events = 0
  /** Of the last event, by the server's clock. */
  #time

  /** @param market the answer of `/market/symbols`, @param statistics that of `/market/statistics` */
  begin ({ market, kept, symbols }, { market: other, samples }) {
    this.market = market
    this.#kept = kept
    this.instruments = new Map(symbols.map(instrument => [instrument.symbol, instrument]))
    this.#prices = Object.fromEntries(symbols.map(({ symbol, price }) => [symbol, price]))
    // What another one counts does not go on in this one.
    this.#samples = byTime(market === other ? samples : [])
  }

  /** @param history the answer of `/market/candles/…`, @param time when it was so, by the server's clock */
  show (symbol, { candles }, time) {
    this.#time = time
    this.#instrument = this.instruments.get(symbol)
    this.#candles = byTime(candles)
  }

  /** Takes an event. */
  take (type, data, time) {
    this.#events++
    this.#time = time
    if (type === 'candle') put(this.#candles, data, this.#kept)
    else if (type === 'statistics') put(this.#samples, data, SAMPLES)
    else this.#prices = data.prices
  }

  /** All of it as it is now. */
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

/** Puts an item in the place of the one of the same time, or after all others, of which so many are kept. */
function put (items, item, kept) {
  items.set(item.time, item)
  if (items.size > kept) items.delete(items.keys().next().value)
}
