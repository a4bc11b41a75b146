import t from 'tap'
import { cents, makeInstruments, MAX_INSTRUMENTS, SECTORS } from '../../../server/market/instruments.ts'
import { Random } from '../../../server/seeded-random.ts'

t.test('there may be 200 instruments, and no two of them are the same', async t => {
  const instruments = makeInstruments(MAX_INSTRUMENTS, new Random('1'))
  t.equal(instruments.length, 200)
  t.equal(new Set(instruments.map(({ symbol }) => symbol)).size, 200)
  t.equal(new Set(instruments.map(({ name }) => name)).size, 200)
  for (const { symbol, name, sector, size, open } of instruments) {
    t.match(symbol, /^[A-Z]{4}$/)
    t.equal(SECTORS.find(({ letter }) => symbol.endsWith(letter))?.sector, sector)
    t.equal(name.slice(0, 3).toUpperCase(), symbol.slice(0, 3))
    t.ok(size >= 0.01 && size < 20, `${symbol} has the size ${size}`)
    t.ok(open >= Math.exp(2.5) - 0.01 && open <= Math.exp(6), `${symbol} costs ${open}`)
  }
})

t.test('few are of all sectors', async t => {
  t.equal(new Set(makeInstruments(8, new Random('1')).map(({ sector }) => sector)).size, SECTORS.length)
  t.strictSame(makeInstruments(0, new Random('1')), [])
})

t.test('the same random numbers make the same ones', async t => {
  t.strictSame(makeInstruments(24, new Random('1')), makeInstruments(24, new Random('1')))
  t.notSame(makeInstruments(24, new Random('1')), makeInstruments(24, new Random('2')))
})

t.test('a price has two decimals, and is never 0', async t => {
  t.strictSame([12.345678, 0.004, 0, 0.015, 7].map(cents), [12.35, 0.01, 0.01, 0.02, 7])
})
