import fc from 'fast-check'
import t from 'tap'
import { compareIds, earlierId, epochOf, IdGenerator, idBefore, idBeforeAll, isId, laterId } from '../../plugin/wire/event-id.ts'
import { mockClock } from '../fixtures/clock.ts'

const HOUR = 3_600_000

t.test('ids are ordered by time, then by sequence number', async t => {
  const ids = ['e.0-0', 'e.0-1', 'e.1-0', 'e.1-2', 'e.1-10', 'e.9-0', 'e.10-0', 'e.1754000000000-9', 'e.1754000000000-10', 'e.999999999999999-999999999999999']
  t.strictSame([...ids].reverse().sort(compareIds), ids)
  for (const [index, id] of ids.entries()) {
    t.equal(compareIds(id, id), 0)
    for (const later of ids.slice(index + 1)) t.ok(compareIds(id, later) < 0 && compareIds(later, id) > 0, `${id} precedes ${later}`)
  }
})

t.test('any two ids are ordered by time, then by sequence number', async () => {
  const part = fc.nat({ max: 999_999_999_999_999 })
  fc.assert(fc.property(part, part, part, part, (aMs, aSeq, bMs, bSeq) => {
    const order = Math.sign(compareIds(`e.${aMs}-${aSeq}`, `e.${bMs}-${bSeq}`))
    return order === (Math.sign(aMs - bMs) || Math.sign(aSeq - bSeq))
  }))
})

t.test('earlierId() returns the earlier id', async t => {
  t.equal(earlierId('e.1-0', 'e.2-0'), 'e.1-0')
  t.equal(earlierId('e.2-0', 'e.1-0'), 'e.1-0')
  t.equal(earlierId('e.2-0', 'e.2-0'), 'e.2-0')
})

t.test('laterId() returns the later id', async t => {
  t.equal(laterId('e.1-0', 'e.2-0'), 'e.2-0')
  t.equal(laterId('e.2-0', 'e.1-0'), 'e.2-0')
  t.equal(laterId('e.2-0', 'e.2-0'), 'e.2-0')
})

t.test('idBefore() returns the latest earlier id', async t => {
  const rows = [['e.7-3', 'e.7-2'], ['e.7-0', 'e.6-999999999999999'], ['e.0-1', 'e.0-0'], ['e.0-0', 'e.0-0']] as const
  for (const [id, before] of rows) t.equal(idBefore(id), before)
})

t.test('an id contains its epoch', async t => {
  for (const [id, epoch] of [['e.0-0', 'e'], ['0.1-2', '0'], [`${'z9'.repeat(16)}.999999999999999-999999999999999`, 'z9'.repeat(16)]] as const) t.equal(epochOf(id), epoch)
})

t.test('text that is not an id has no epoch', async t => {
  for (const text of [
    '', ' ', '.', '-', '0', 'e', '1-0', '.1-0', 'e.', 'e.1', 'e.1-', 'e.-0', 'e.1-0-0', 'e.1.0-0', 'e.e.1-0', 'e:1-0', 'e.1:0', 'e.1-0.5', 'e.-1-0', 'e.1--1', 'e.+1-0', 'e.1e3-0', 'e.0x1-0',
    'E.1-0', 'é.1-0', 'e_.1-0', 'e.١-0', 'e.1-a', ' e.1-0', 'e.1-0 ', 'e.1-0\n', '\ne.1-0', 'e.1-0\0', 'e.1-0,e.2-0', '"e.1-0"',
    `${'e'.repeat(33)}.1-0`, `e.${'1'.repeat(16)}-0`, `e.1-${'1'.repeat(16)}`, 'e'.repeat(1_000_000), '__proto__', 'null'
  ]) t.equal(epochOf(text), undefined, JSON.stringify(text.slice(0, 40)))
})

t.test('the longest id needs no preflight as a Last-Event-ID header', async t => {
  const longest = `${'z'.repeat(32)}.${'9'.repeat(15)}-${'9'.repeat(15)}`
  t.equal(epochOf(longest), 'z'.repeat(32))
  t.ok(longest.length <= 128)
})

t.test('generated ids rise and contain the time', async t => {
  const { clock } = mockClock(t, 1_754_000_000_000)
  const ids = new IdGenerator('e')
  t.equal(ids.last, 'e.0-0')
  t.strictSame([ids.next(), ids.next()], ['e.1754000000000-0', 'e.1754000000000-1'])
  clock.advance(5)
  t.equal(ids.last, 'e.1754000000000-1')
  t.strictSame([ids.next(), ids.next(), ids.last], ['e.1754000000005-0', 'e.1754000000005-1', 'e.1754000000005-1'])
})

t.test('100,000 ids of one millisecond rise', async t => {
  mockClock(t)
  const ids = new IdGenerator()
  for (let count = 0; count < 100_000; count++) {
    const previous = ids.last
    if (compareIds(previous, ids.next()) >= 0) t.fail(`${ids.last} follows ${previous}`)
  }
})

t.test('ids rise when the system clock is set back or forward', async t => {
  const { clock } = mockClock(t, 10 * HOUR)
  const generator = new IdGenerator()
  const ids = [generator.next()]
  for (const hours of [9, 9.5, 10, 10.001, 9, 8_770, 10, 11, 8_770, 8_771]) {
    clock.travel(hours * HOUR)
    ids.push(generator.next(), generator.next())
  }
  for (const [index, id] of ids.slice(1).entries()) t.ok(compareIds(ids[index]!, id) < 0, `${id} follows ${ids[index]}`)
})

t.test('each generator has its own epoch, unless it is given one', async t => {
  const generators = Array.from({ length: 1_000 }, () => new IdGenerator())
  t.equal(new Set(generators.map(({ last }) => epochOf(last))).size, 1_000)
  t.ok(generators.every(generator => epochOf(generator.next()) === epochOf(generator.last)))
  t.equal(epochOf(new IdGenerator('given').next()), 'given')
})

t.test('idBeforeAll() precedes every generated id', async t => {
  t.equal(epochOf(idBeforeAll('e')), 'e')
  for (const now of [0, 1, 1_754_000_000_000]) {
    mockClock(t, now)
    t.ok(compareIds(idBeforeAll('e'), new IdGenerator('e').next()) < 0, `at ${now}`)
  }
})

t.test('ids of different epochs are compared by their time and number', t => {
  t.equal(compareIds('abc.1754000000000-1', 'xyz.1754000000000-1'), 0, 'epochs of the same length')
  t.equal(compareIds('ab.1754000000000-1', 'xyz.1754000000000-1'), 0, 'epochs of different lengths')
  t.ok(compareIds('xyz.1754000000000-1', 'abc.1754000000000-2') < 0)
  t.ok(compareIds('xyz.1754000000000-1', 'ab.1754000000000-2') < 0)
  t.end()
})

t.test('an id has the form `<epoch>.<ms>-<seq>`', async t => {
  for (const id of ['e.1-0', 'abc123.1764000000000-15']) t.equal(isId(id), true)
  for (const value of ['', 'e', 'e.1', 'e.1-0\n', 'E.1-0', 'e.1-0-0', 5, undefined, null]) t.equal(isId(value), false, String(value))
})
