import t from 'tap'
import { roundToCents, makeInstruments, MAX_INSTRUMENTS, SECTORS } from '../../../server/market/instruments.ts'
import { SeededRandom } from '../../../server/seeded-random.ts'

t.test('200 instruments have distinct symbols and names', async t => {
  const instruments = makeInstruments(MAX_INSTRUMENTS, new SeededRandom('1'))
  t.equal(instruments.length, 200)
  t.equal(new Set(instruments.map(({ symbol }) => symbol)).size, 200)
  t.equal(new Set(instruments.map(({ name }) => name)).size, 200)
  for (const { symbol, name, sector, size, open } of instruments) {
    t.match(symbol, /^[A-Z]{4}$/)
    t.equal(SECTORS.find(({ letter }) => symbol.endsWith(letter))?.sector, sector)
    t.equal(name.slice(0, 3).toUpperCase(), symbol.slice(0, 3))
    t.ok(size >= 0.01 && size < 20, `size of ${symbol}: ${size}`)
    t.ok(open >= Math.exp(2.5) - 0.01 && open <= Math.exp(6), `opening price of ${symbol}: ${open}`)
  }
})

t.test('a small market includes every sector', async t => {
  t.equal(new Set(makeInstruments(8, new SeededRandom('1')).map(({ sector }) => sector)).size, SECTORS.length)
  t.strictSame(makeInstruments(0, new SeededRandom('1')), [])
})

t.test('the same seed makes the same instruments', async t => {
  t.strictSame(makeInstruments(24, new SeededRandom('1')), makeInstruments(24, new SeededRandom('1')))
  t.notSame(makeInstruments(24, new SeededRandom('1')), makeInstruments(24, new SeededRandom('2')))
})

t.test('a price has two decimals and is at least 0.01', async t => {
  t.strictSame([12.345678, 0.004, 0, 0.015, 7].map(roundToCents), [12.35, 0.01, 0.01, 0.02, 7])
})
