import t from 'tap'
import { Listing } from '../../../server/market/listing.ts'
import { Random } from '../../../server/seeded-random.ts'

const INSTRUMENT = { symbol: 'ALVX', name: 'Alvex Power', sector: 'Energy', size: 1, open: 100 }
const QUIET = { market: 0, sector: 0 }

const list = (seed: number): Listing => new Listing(INSTRUMENT, new Random(String(seed)), 0)

/** A price after a while, step by step. */
function run (listing: Listing, steps: number, news = QUIET): number {
  for (let step = 1; step <= steps; step++) listing.trade(step * 100, 0.1, news)
  return listing.price
}

t.test('trade begins at the opening price', async t => {
  const listing = list(1)
  t.equal(listing.price, 100)
  t.strictSame(listing.candles.list(), [{ time: 0, open: 100, high: 100, low: 100, close: 100, volume: 0 }])
})

t.test('the price is what the last candle closed at, in whole cents', async t => {
  const listing = list(2)
  for (let step = 1; step <= 200; step++) {
    listing.trade(step * 100, 0.1, QUIET)
    t.equal(listing.price, listing.candles.last.close)
    t.equal(listing.price, Number(listing.price.toFixed(2)))
    t.ok(Number.isInteger(listing.candles.last.volume))
  }
  t.ok(listing.candles.last.volume > 0)
})

t.test('where no time has passed, nothing moves and nothing is traded', async t => {
  const listing = list(3)
  listing.trade(0, 0, { market: 3, sector: 3 })
  t.strictSame(listing.candles.last, { time: 0, open: 100, high: 100, low: 100, close: 100, volume: 0 })
})

t.test('news moves a price the way that the news is', async t => {
  for (const kind of ['market', 'sector'] as const) {
    const [good, bad] = [1, -1].map(sign => run(list(4), 500, { ...QUIET, [kind]: sign }))
    t.ok(good! > bad! * 1.02, `${good} with good news of the ${kind}, ${bad} with bad`)
  }
})

t.test('a price walks, and does not get lost', async t => {
  const prices = Array.from({ length: 5 }, (_, seed) => run(list(seed), 100_000))
  t.equal(new Set(prices).size, 5)
  for (const price of prices) t.ok(price > 80 && price < 120, String(price))
})
