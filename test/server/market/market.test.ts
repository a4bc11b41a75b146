import t from 'tap'
import { CANDLE_LENGTH, MAX_CANDLES } from '../../../server/market/candles.ts'
import { Market } from '../../../server/market/market.ts'

const NOW = 1_800_000_012_345
const BEGIN = 1_800_000_010_000

/** Serialized, which is faster to compare. */
const candlesOf = (market: Market): string => JSON.stringify(Array.from(market.listings, ([symbol, { candles }]) => [symbol, candles.list()]))

t.test('the same seed and the same times produce the same market', async t => {
  const [one, other, third] = [new Market(8, 1, NOW), new Market(8, 1, NOW), new Market(8, 2, NOW)]
  for (const market of [one, other, third]) for (let step = 1; step <= 100; step++) market.advance(NOW + step * 97)
  t.equal(candlesOf(one!), candlesOf(other!))
  t.not(candlesOf(one!), candlesOf(third!))
})

t.test('a new market has a full history of candles without gaps', async t => {
  const times = Array.from({ length: MAX_CANDLES }, (_, index) => BEGIN - (MAX_CANDLES - 1 - index) * CANDLE_LENGTH)
  for (const now of [NOW, BEGIN, BEGIN + CANDLE_LENGTH - 1]) {
    for (const { candles, instrument } of new Market(24, 1, now).listings.values()) {
      const list = candles.list()
      t.equal(String(list.map(({ time }) => time)), String(times))
      t.equal(list[0]!.open, instrument.open)
    }
  }
})

t.test('each call moves every price once, and candles record the movement', async t => {
  const market = new Market(3, 1, NOW)
  const listing = market.listings.get('BRYZ')!
  const before = listing.candles.last
  const prices: number[] = []
  for (let time = BEGIN + CANDLE_LENGTH; time < BEGIN + 2 * CANDLE_LENGTH; time += 100) {
    market.advance(time)
    prices.push(listing.price)
  }
  const [earlier, candle] = listing.candles.list().slice(-2)
  t.strictSame(earlier, before)
  t.match(candle, { time: BEGIN + CANDLE_LENGTH, open: prices[0], close: prices.at(-1), high: Math.max(...prices), low: Math.min(...prices) })
  t.ok(new Set(prices).size > 3, 'the price moves')
})

t.test('prices move at most ten seconds at once, even after a day', async t => {
  const [late, soon] = [new Market(24, 1, NOW), new Market(24, 1, NOW)]
  late.advance(NOW + 24 * 60 * 60 * 1_000)
  // The generated history ends at a multiple of 500 ms.
  soon.advance(NOW - NOW % 500 + 10_000)
  t.strictSame(Array.from(late.listings.values(), ({ price }) => price), Array.from(soon.listings.values(), ({ price }) => price))
})
