import fc from 'fast-check'
import t from 'tap'
import { CANDLE, Candles, KEPT, type Candle } from '../../../server/market/candles.ts'

interface Trade { time: number, price: number, volume: number }

/** The candles of trades, all at once, in a way of its own. */
function candlesOf (trades: Trade[]): Candle[] {
  const begins = [...new Set(trades.map(({ time }) => Math.floor(time / CANDLE) * CANDLE))]
  return begins.map(time => {
    const within = trades.filter(trade => trade.time >= time && trade.time < time + CANDLE)
    const prices = within.map(({ price }) => price)
    return {
      time,
      open: prices[0]!,
      high: Math.max(...prices),
      low: Math.min(...prices),
      close: prices.at(-1)!,
      volume: within.reduce((total, { volume }) => total + volume, 0)
    }
  })
}

t.test('candles say exactly what the trades say', async t => {
  const trade = fc.record({ pause: fc.nat(8_000), price: fc.integer({ min: 1, max: 99_999 }).map(price => price / 100), volume: fc.nat(1_000) })
  fc.assert(fc.property(fc.nat(1e13), fc.array(trade, { maxLength: 60 }), (begin, steps) => {
    const trades: Trade[] = [{ time: begin, price: 50, volume: 0 }]
    for (const { pause, price, volume } of steps) trades.push({ time: trades.at(-1)!.time + pause, price, volume })
    const candles = new Candles(begin, 50)
    for (const { time, price, volume } of trades.slice(1)) candles.add(time, price, volume)
    t.strictSame(candles.list(), candlesOf(trades))
    t.strictSame(candles.last, candles.list().at(-1))
  }))
})

t.test('a candle begins at a multiple of its length, and the trade at its end belongs to the next', async t => {
  const candles = new Candles(12_345, 10)
  candles.add(14_999, 11, 1)
  candles.add(15_000, 12, 2)
  t.strictSame(candles.list(), [
    { time: 10_000, open: 10, high: 11, low: 10, close: 11, volume: 1 },
    { time: 15_000, open: 12, high: 12, low: 12, close: 12, volume: 2 }
  ])
})

t.test('a snapshot stays as it is', async t => {
  const candles = new Candles(0, 10)
  const snapshot = candles.list()
  candles.add(1, 99, 1)
  candles.add(CANDLE, 98, 1)
  t.strictSame(snapshot, [{ time: 0, open: 10, high: 10, low: 10, close: 10, volume: 0 }])
})

t.test('so many are kept, the newest', async t => {
  const candles = new Candles(0, 1)
  for (let index = 1; index < KEPT + 10; index++) candles.add(index * CANDLE, index, 1)
  t.equal(candles.list().length, KEPT)
  t.equal(candles.list()[0]!.time, 10 * CANDLE)
  t.equal(candles.last.time, (KEPT + 9) * CANDLE)
})
