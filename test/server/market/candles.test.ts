import fc from 'fast-check'
import t from 'tap'
import { CANDLE_LENGTH, Candles, MAX_CANDLES, type Candle } from '../../../server/market/candles.ts'

interface Trade { time: number, price: number, volume: number }

/** Computes the candles from all trades at once: a second implementation to compare with. */
function expectedCandles (trades: Trade[]): Candle[] {
  const starts = [...new Set(trades.map(({ time }) => Math.floor(time / CANDLE_LENGTH) * CANDLE_LENGTH))]
  return starts.map(time => {
    const included = trades.filter(trade => trade.time >= time && trade.time < time + CANDLE_LENGTH)
    const prices = included.map(({ price }) => price)
    return {
      time,
      open: prices[0]!,
      high: Math.max(...prices),
      low: Math.min(...prices),
      close: prices.at(-1)!,
      volume: included.reduce((total, { volume }) => total + volume, 0)
    }
  })
}

t.test('candles match the trades they summarize', async t => {
  const trade = fc.record({ pause: fc.nat(8_000), price: fc.integer({ min: 1, max: 99_999 }).map(price => price / 100), volume: fc.nat(1_000) })
  fc.assert(fc.property(fc.nat(1e13), fc.array(trade, { maxLength: 60 }), (start, steps) => {
    const trades: Trade[] = [{ time: start, price: 50, volume: 0 }]
    for (const { pause, price, volume } of steps) trades.push({ time: trades.at(-1)!.time + pause, price, volume })
    const candles = new Candles(start, 50)
    for (const { time, price, volume } of trades.slice(1)) candles.add(time, price, volume)
    t.strictSame(candles.list(), expectedCandles(trades))
    t.strictSame(candles.last, candles.list().at(-1))
  }))
})

t.test('a candle starts at a multiple of its length and excludes its end', async t => {
  const candles = new Candles(12_345, 10)
  candles.add(14_999, 11, 1)
  candles.add(15_000, 12, 2)
  t.strictSame(candles.list(), [
    { time: 10_000, open: 10, high: 11, low: 10, close: 11, volume: 1 },
    { time: 15_000, open: 12, high: 12, low: 12, close: 12, volume: 2 }
  ])
})

t.test('a snapshot does not change when trades are added', async t => {
  const candles = new Candles(0, 10)
  const snapshot = candles.list()
  candles.add(1, 99, 1)
  candles.add(CANDLE_LENGTH, 98, 1)
  t.strictSame(snapshot, [{ time: 0, open: 10, high: 10, low: 10, close: 10, volume: 0 }])
})

t.test('only the newest candles are kept', async t => {
  const candles = new Candles(0, 1)
  for (let index = 1; index < MAX_CANDLES + 10; index++) candles.add(index * CANDLE_LENGTH, index, 1)
  t.equal(candles.list().length, MAX_CANDLES)
  t.equal(candles.list()[0]!.time, 10 * CANDLE_LENGTH)
  t.equal(candles.last.time, (MAX_CANDLES + 9) * CANDLE_LENGTH)
})
