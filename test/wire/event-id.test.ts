import fc from 'fast-check'
import t from 'tap'
import { compareIds, epochOf, IdClock, idBeforeAll, laterId } from '../../plugin/wire/event-id.ts'
import { stillClock } from '../fixtures/clock.ts'

const HOUR = 3_600_000

t.test('ids are in the order of their time, then of their number', async t => {
  const ids = ['e.0-0', 'e.0-1', 'e.1-0', 'e.1-2', 'e.1-10', 'e.9-0', 'e.10-0', 'e.1754000000000-9', 'e.1754000000000-10', 'e.999999999999999-999999999999999']
  t.strictSame([...ids].reverse().sort(compareIds), ids)
  for (const [index, id] of ids.entries()) {
    t.equal(compareIds(id, id), 0)
    for (const later of ids.slice(index + 1)) t.ok(compareIds(id, later) < 0 && compareIds(later, id) > 0, `${id} is before ${later}`)
  }
})

t.test('that holds for any two', async () => {
  const part = fc.nat({ max: 999_999_999_999_999 })
  fc.assert(fc.property(part, part, part, part, (aMs, aSeq, bMs, bSeq) => {
    const order = Math.sign(compareIds(`e.${aMs}-${aSeq}`, `e.${bMs}-${bSeq}`))
    return order === (Math.sign(aMs - bMs) || Math.sign(aSeq - bSeq))
  }))
})

t.test('the later of two ids', async t => {
  t.equal(laterId('e.1-0', 'e.2-0'), 'e.2-0')
  t.equal(laterId('e.2-0', 'e.1-0'), 'e.2-0')
  t.equal(laterId('e.2-0', 'e.2-0'), 'e.2-0')
})

t.test('an id tells its epoch', async t => {
  for (const [id, epoch] of [['e.0-0', 'e'], ['0.1-2', '0'], [`${'z9'.repeat(16)}.999999999999999-999999999999999`, 'z9'.repeat(16)]] as const) t.equal(epochOf(id), epoch)
})

t.test('what is no id has no epoch', async t => {
  for (const text of [
    '', ' ', '.', '-', '0', 'e', '1-0', '.1-0', 'e.', 'e.1', 'e.1-', 'e.-0', 'e.1-0-0', 'e.1.0-0', 'e.e.1-0', 'e:1-0', 'e.1:0', 'e.1-0.5', 'e.-1-0', 'e.1--1', 'e.+1-0', 'e.1e3-0', 'e.0x1-0',
    'E.1-0', 'é.1-0', 'e_.1-0', 'e.١-0', 'e.1-a', ' e.1-0', 'e.1-0 ', 'e.1-0\n', '\ne.1-0', 'e.1-0\0', 'e.1-0,e.2-0', '"e.1-0"',
    `${'e'.repeat(33)}.1-0`, `e.${'1'.repeat(16)}-0`, `e.1-${'1'.repeat(16)}`, 'e'.repeat(1_000_000), '__proto__', 'null'
  ]) t.equal(epochOf(text), undefined, JSON.stringify(text.slice(0, 40)))
})

t.test('every id goes into a Last-Event-ID that needs no preflight', async t => {
  const longest = `${'z'.repeat(32)}.${'9'.repeat(15)}-${'9'.repeat(15)}`
  t.equal(epochOf(longest), 'z'.repeat(32))
  t.ok(longest.length <= 128)
})

t.test('ids that a clock gives rise, and tell the time', async t => {
  const { clock: time } = stillClock(t, 1_754_000_000_000)
  const clock = new IdClock('e')
  t.equal(clock.last, 'e.0-0')
  t.strictSame([clock.next(), clock.next()], ['e.1754000000000-0', 'e.1754000000000-1'])
  time.advance(5)
  t.equal(clock.last, 'e.1754000000000-1')
  t.strictSame([clock.next(), clock.next(), clock.last], ['e.1754000000005-0', 'e.1754000000005-1', 'e.1754000000005-1'])
})

t.test('very many ids in one millisecond rise', async t => {
  stillClock(t)
  const clock = new IdClock()
  for (let number = 0; number < 100_000; number++) {
    const before = clock.last
    if (compareIds(before, clock.next()) >= 0) t.fail(`${before}, then ${clock.last}`)
  }
})

t.test('ids rise when the system\'s clock is set back, or far ahead and back again', async t => {
  const { clock: time } = stillClock(t, 10 * HOUR)
  const clock = new IdClock()
  const ids = [clock.next()]
  for (const hours of [9, 9.5, 10, 10.001, 9, 8_770, 10, 11, 8_770, 8_771]) {
    time.travel(hours * HOUR)
    ids.push(clock.next(), clock.next())
  }
  for (const [index, id] of ids.slice(1).entries()) t.ok(compareIds(ids[index]!, id) < 0, `${ids[index]}, then ${id}`)
})

t.test('an epoch is of one clock', async t => {
  const clocks = Array.from({ length: 1_000 }, () => new IdClock())
  t.equal(new Set(clocks.map(clock => epochOf(clock.last))).size, 1_000)
  t.ok(clocks.every(clock => epochOf(clock.next()) === epochOf(clock.last)))
  t.equal(epochOf(new IdClock('given').next()), 'given')
})

t.test('there is something before every id', async t => {
  t.equal(epochOf(idBeforeAll('e')), 'e')
  for (const now of [0, 1, 1_754_000_000_000]) {
    stillClock(t, now)
    t.ok(compareIds(idBeforeAll('e'), new IdClock('e').next()) < 0, `at ${now}`)
  }
})
