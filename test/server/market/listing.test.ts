import t from 'tap'
import { Listing } from '../../../server/market/listing.ts'
import { SeededRandom } from '../../../server/seeded-random.ts'

const INSTRUMENT = { symbol: 'ALVX', name: 'Alvex Power', sector: 'Energy', size: 1, open: 100 }
const NO_MOVEMENT = { market: 0, sector: 0 }

const listingOf = (seed: number): Listing => new Listing(INSTRUMENT, new SeededRandom(String(seed)), 0)

/** Trades ten times a second. @returns the final price */
function run (listing: Listing, steps: number, movements = NO_MOVEMENT): number {
  for (let step = 1; step <= steps; step++) listing.trade(step * 100, 0.1, movements)
  return listing.price
}

t.test('trading starts at the opening price', async t => {
  const listing = listingOf(1)
  t.equal(listing.price, 100)
  t.strictSame(listing.candles.list(), [{ time: 0, open: 100, high: 100, low: 100, close: 100, volume: 0 }])
})

t.test('the price is the close of the last candle, in whole cents', async t => {
  const listing = listingOf(2)
  for (let step = 1; step <= 200; step++) {
    listing.trade(step * 100, 0.1, NO_MOVEMENT)
    t.equal(listing.price, listing.candles.last.close)
    t.equal(listing.price, Number(listing.price.toFixed(2)))
    t.ok(Number.isInteger(listing.candles.last.volume))
  }
  t.ok(listing.candles.last.volume > 0)
})

t.test('a price does not move when no time has passed', async t => {
  const listing = listingOf(3)
  listing.trade(0, 0, { market: 3, sector: 3 })
  t.strictSame(listing.candles.last, { time: 0, open: 100, high: 100, low: 100, close: 100, volume: 0 })
})

t.test('movements of the market and the sector move a price in their direction', async t => {
  for (const kind of ['market', 'sector'] as const) {
    const [up, down] = [1, -1].map(sign => run(listingOf(4), 500, { ...NO_MOVEMENT, [kind]: sign }))
    t.ok(up! > down! * 1.02, `${kind} up: ${up}, ${kind} down: ${down}`)
  }
})

t.test('a price stays near its opening price over time', async t => {
  const prices = Array.from({ length: 5 }, (_, seed) => run(listingOf(seed), 100_000))
  t.equal(new Set(prices).size, 5)
  for (const price of prices) t.ok(price > 80 && price < 120, String(price))
})
