/* Counts the changes of prices that each side received. Does not use the DOM. */

/** Maximum pending entries while one side waits for the other. */
const MAX_PENDING = 1_000

/**
 * Counts changes of prices: all of them, as they were pushed; those that a poll shows, because two consecutive responses
 * differ; and those between two polls, which polling misses.
 */
export class Changes {
  pushed = 0
  polled = 0
  missed = 0
  /** The id of the market whose prices are pushed. A poll may reach another process, whose prices can't be compared. */
  #market
  /** The last prices pushed, as `{ time, prices }`. */
  #lastPushed
  #lastPolled
  /** Changes pushed since the last poll that was compared, as `{ time, count }`, the oldest first. */
  #pushedSince = []
  /** Polls that are newer than the last push, as `{ time, seen }`. */
  #pendingPolls = []

  /** Starts a new comparison. @param market undefined to use the first market that arrives */
  restart (market) {
    this.#market = market
    this.#lastPushed = this.#lastPolled = undefined
    this.#pushedSince = []
    this.#pendingPolls = []
  }

  /** Sets the market whose prices are pushed. */
  setMarket (market) {
    this.#market ??= market
    if (market !== this.#market) this.restart(market)
  }

  /** Adds prices that were pushed. */
  push ({ time, prices }) {
    const count = differences(this.#lastPushed?.prices, prices)
    this.#lastPushed = { time, prices }
    this.pushed += count
    this.#pushedSince.push({ time, count })
    if (this.#pushedSince.length > MAX_PENDING) this.#pushedSince[1].count += this.#pushedSince.shift().count
    while (this.#pendingPolls[0]?.time <= time) this.#compare(this.#pendingPolls.shift())
  }

  /** Adds the response to a poll. */
  poll ({ market, time, prices }) {
    this.#market ??= market
    if (market !== this.#market) return
    const first = this.#lastPolled === undefined
    const seen = differences(this.#lastPolled?.prices, prices)
    this.#lastPolled = { time, prices }
    this.polled += seen
    // Changes before the first poll are not missed.
    const poll = { time, seen: first ? Infinity : seen }
    if (time <= this.#lastPushed?.time) this.#compare(poll)
    else this.#pendingPolls.push(poll)
    if (this.#pendingPolls.length > MAX_PENDING) this.#pendingPolls.shift()
  }

  #compare ({ time, seen }) {
    let count = 0
    while (this.#pushedSince[0]?.time <= time) count += this.#pushedSince.shift().count
    this.missed += Math.max(count - seen, 0)
  }
}

function differences (before, prices) {
  return before === undefined ? 0 : Object.keys(prices).filter(symbol => prices[symbol] !== before[symbol]).length
}
