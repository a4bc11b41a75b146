/* What became of each change of a price. No DOM in here. */

/** What waits for the other side to come, at most. */
const KEPT = 1_000

/**
 * Counts changes of prices: those that were pushed, which are all there were; of these, those that somebody who polls has
 * seen, which is what differs from one answer to the next; and those in between, which are missed for good.
 */
export class Changes {
  pushed = 0
  polled = 0
  missed = 0
  /** Whose prices are pushed. Another process may answer who polls, and has others: these are not compared. */
  #market
  /** What was told last: `{ time, prices }`. */
  #lastPushed
  #lastPolled
  /** Changes after the last answer that was compared, as `{ time, count }`, the oldest first. */
  #since = []
  /** Answers that are newer than what was pushed, as `{ time, seen }`. */
  #ahead = []

  /** Compares what comes from here on with nothing before. @param market whose prices they are; undefined for the first that come */
  begin (market) {
    this.#market = market
    this.#lastPushed = this.#lastPolled = undefined
    this.#since = []
    this.#ahead = []
  }

  /** Takes whose prices are pushed. */
  follow (market) {
    this.#market ??= market
    if (market !== this.#market) this.begin(market)
  }

  /** Takes what was pushed. */
  push ({ time, prices }) {
    const count = differences(this.#lastPushed?.prices, prices)
    this.#lastPushed = { time, prices }
    this.pushed += count
    this.#since.push({ time, count })
    if (this.#since.length > KEPT) this.#since[1].count += this.#since.shift().count
    while (this.#ahead[0]?.time <= time) this.#compare(this.#ahead.shift())
  }

  /** Takes an answer. */
  poll ({ market, time, prices }) {
    this.#market ??= market
    if (market !== this.#market) return
    const first = this.#lastPolled === undefined
    const seen = differences(this.#lastPolled?.prices, prices)
    this.#lastPolled = { time, prices }
    this.polled += seen
    // What was before the first answer is not for it to tell.
    const answer = { time, seen: first ? Infinity : seen }
    if (time <= this.#lastPushed?.time) this.#compare(answer)
    else this.#ahead.push(answer)
    if (this.#ahead.length > KEPT) this.#ahead.shift()
  }

  #compare ({ time, seen }) {
    let count = 0
    while (this.#since[0]?.time <= time) count += this.#since.shift().count
    this.missed += Math.max(count - seen, 0)
  }
}

function differences (before, prices) {
  return before === undefined ? 0 : Object.keys(prices).filter(symbol => prices[symbol] !== before[symbol]).length
}
