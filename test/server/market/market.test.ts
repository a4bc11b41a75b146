import t from 'tap'
import { CANDLE, KEPT } from '../../../server/market/candles.ts'
import { Market } from '../../../server/market/market.ts'

const NOW = 1_800_000_012_345
const BEGIN = 1_800_000_010_000

/** As text, which is quick to compare. */
const candlesOf = (market: Market): string => JSON.stringify(Array.from(market.listings, ([symbol, { candles }]) => [symbol, candles.list()]))

t.test('the same seed and the same times make the same market', async t => {
  const [one, other, third] = [new Market(8, 1, NOW), new Market(8, 1, NOW), new Market(8, 2, NOW)]
  for (const market of [one, other, third]) for (let step = 1; step <= 100; step++) market.advance(NOW + step * 97)
  t.equal(candlesOf(one!), candlesOf(other!))
  t.not(candlesOf(one!), candlesOf(third!))
})

t.test('it has a past when it begins, of as many candles as are kept, without a hole', async t => {
  const times = Array.from({ length: KEPT }, (_, index) => BEGIN - (KEPT - 1 - index) * CANDLE)
  for (const now of [NOW, BEGIN, BEGIN + CANDLE - 1]) {
    for (const { candles, instrument } of new Market(24, 1, now).listings.values()) {
      const list = candles.list()
      t.equal(String(list.map(({ time }) => time)), String(times))
      t.equal(list[0]!.open, instrument.open)
    }
  }
})

t.test('from one time to the next, each price moves once, and its candles say what it was', async t => {
  const market = new Market(3, 1, NOW)
  const listing = market.listings.get('BRYZ')!
  const before = listing.candles.last
  const prices: number[] = []
  for (let time = BEGIN + CANDLE; time < BEGIN + 2 * CANDLE; time += 100) {
    market.advance(time)
    prices.push(listing.price)
  }
  const [earlier, candle] = listing.candles.list().slice(-2)
  t.strictSame(earlier, before)
  t.match(candle, { time: BEGIN + CANDLE, open: prices[0], close: prices.at(-1), high: Math.max(...prices), low: Math.min(...prices) })
  t.ok(new Set(prices).size > 3, 'it moves')
})

t.test('a process that was stopped for a day comes back to prices of ten seconds later', async t => {
  const [late, soon] = [new Market(24, 1, NOW), new Market(24, 1, NOW)]
  late.advance(NOW + 24 * 60 * 60 * 1_000)
  // The past ends at a step.
  soon.advance(NOW - NOW % 500 + 10_000)
  t.strictSame(Array.from(late.listings.values(), ({ price }) => price), Array.from(soon.listings.values(), ({ price }) => price))
})
