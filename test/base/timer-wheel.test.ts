import t, { type Test } from 'tap'
import { WheelTimer, TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { liveTimers, stillClock } from '../fixtures/clock.ts'

/** Notes when it rings, and does what it is told then. */
class Noted extends WheelTimer {
  readonly rang: number[] = []
  readonly #then: (alarm: Noted, now: number) => void

  constructor (then: (alarm: Noted, now: number) => void = () => {}) {
    super()
    this.#then = then
  }

  fire (now: number): void {
    this.rang.push(now)
    this.#then(this, now)
  }
}

const nextTurn = (): Promise<void> => new Promise(resolve => { realImmediate(resolve) })
const realImmediate = setImmediate

/** The wheel of one test, on a clock that stands still. */
function still (t: Test): { wheel: TimerWheel } & ReturnType<typeof stillClock> {
  return { wheel: new TimerWheel(), ...stillClock(t, 12_345) }
}

t.test('an alarm rings once, never early and at most 100 ms late', async t => {
  const { wheel, pass } = still(t)
  const start = performance.now()
  const alarms = Array.from({ length: 400 }, (_, index) => {
    const alarm = new Noted()
    wheel.set(alarm, start + index * 7.3)
    return alarm
  })
  t.equal(wheel.size, 400)
  pass(3_100)
  for (const [index, { rang }] of alarms.entries()) {
    const late = rang[0]! - (start + index * 7.3)
    if (rang.length !== 1 || late < 0 || late > 100) t.fail(`alarm ${index} rang ${rang.length} times, ${late} ms late`)
  }
  t.equal(wheel.size, 0)
})

t.test('an alarm that is more than a round away waits for its round', async t => {
  const { wheel, pass } = still(t)
  const start = performance.now()
  const alarm = new Noted()
  const beat = new Noted((beat, now) => { wheel.set(beat, now + 1_000) })
  wheel.set(alarm, start + 360_000)
  wheel.set(beat, start + 1_000)
  pass(359_990)
  t.strictSame(alarm.rang, [])
  pass(110)
  t.equal(alarm.rang.length, 1)
  t.ok(alarm.rang[0]! >= start + 360_000)
})

t.test('an alarm may be months away', async t => {
  const { wheel, clock } = still(t)
  const month = 30 * 86_400_000
  const alarm = new Noted()
  wheel.set(alarm, performance.now() + month)
  clock.advance(month - 1_000)
  t.strictSame(alarm.rang, [])
  clock.advance(1_100)
  t.equal(alarm.rang.length, 1)
})

t.test('which is longer than a timer of Node takes', async t => {
  const warnings: Error[] = []
  const warned = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', warned)
  const wheel = new TimerWheel()
  const alarm = new Noted()
  wheel.set(alarm, performance.now() + 30 * 86_400_000)
  await new Promise(resolve => { setTimeout(resolve, 20) })
  wheel.clear(alarm)
  process.off('warning', warned)
  t.strictSame(warnings, [])
  t.strictSame(alarm.rang, [])
})

t.test('an alarm that is set again is moved, and one that is cleared does not ring', async t => {
  const { wheel, pass } = still(t)
  const start = performance.now()
  const [sooner, later, cleared, endless] = [new Noted(), new Noted(), new Noted(), new Noted()]
  wheel.set(sooner, start + 5_000)
  wheel.set(sooner, start + 200)
  wheel.set(later, start + 200)
  wheel.set(later, start + 5_000)
  wheel.set(cleared, start + 200)
  wheel.clear(cleared)
  wheel.clear(cleared)
  wheel.set(endless, start + 200)
  wheel.set(endless, Infinity)
  t.equal(wheel.size, 2)
  pass(1_000)
  t.strictSame([sooner, later, cleared, endless].map(({ rang }) => rang.length), [1, 0, 0, 0])
  pass(4_100)
  t.strictSame([sooner, later, cleared, endless].map(({ rang }) => rang.length), [1, 1, 0, 0])
})

t.test('an alarm in the past rings soon', async t => {
  const { wheel, pass } = still(t)
  const alarm = new Noted()
  wheel.set(alarm, performance.now() - 10_000)
  t.strictSame(alarm.rang, [], 'not at once')
  pass(100)
  t.equal(alarm.rang.length, 1)
})

t.test('an alarm may set itself again, and others, and clear others', async t => {
  const { wheel, pass } = still(t)
  const start = performance.now()
  const victim = new Noted()
  const beat = new Noted((alarm, now) => { wheel.set(alarm, now + 1_000) })
  const killer = new Noted(() => { wheel.clear(victim) })
  wheel.set(beat, start + 1_000)
  wheel.set(killer, start + 1_000)
  wheel.set(victim, start + 1_000)
  pass(10_900)
  t.strictSame(victim.rang, [], 'cleared in the turn in which it was due')
  t.ok(beat.rang.length >= 9 && beat.rang.length <= 10, `${beat.rang.length} beats in 10.9 s`)
  wheel.clear(beat)
})

t.test('an alarm that sets itself to a time that has passed does not stop the others', async t => {
  const { wheel, pass } = still(t)
  const hasty = new Noted((alarm, now) => { if (alarm.rang.length < 1_000) wheel.set(alarm, now - 1) })
  const other = new Noted()
  wheel.set(hasty, performance.now() + 100)
  wheel.set(other, performance.now() + 120)
  pass(300)
  t.equal(other.rang.length, 1)
  t.ok(hasty.rang.length < 10, 'it rings once a slot')
  wheel.clear(hasty)
})

t.test('after a long pause of the machine everything that was due rings once', async t => {
  const { wheel, clock } = still(t)
  const start = performance.now()
  const alarms = Array.from({ length: 100 }, (_, index) => {
    const alarm = new Noted()
    wheel.set(alarm, start + index * 1_000)
    return alarm
  })
  clock.travel(clock.now() + 86_400_000)
  clock.advance(1)
  t.ok(alarms.every(({ rang }) => rang.length === 1))
  t.equal(wheel.size, 0)
})

t.test('many alarms that are due at once ring in groups, and the event loop is free between them', async t => {
  const { wheel, pass } = still(t)
  const start = performance.now()
  const alarms = Array.from({ length: 1_000 }, () => {
    const alarm = new Noted()
    wheel.set(alarm, start + 100)
    return alarm
  })
  const rung = (): number => alarms.filter(({ rang }) => rang.length === 1).length
  pass(160)
  t.equal(rung(), 128)
  await nextTurn()
  t.equal(rung(), 256)
  for (let turn = 0; turn < 8; turn++) await nextTurn()
  t.equal(rung(), 1_000)
  t.equal(wheel.size, 0)
})

t.test('the wheel holds one timer, and none when nothing is set', async t => {
  const live = liveTimers(t)
  const wheel = new TimerWheel()
  const alarms = Array.from({ length: 50 }, () => new Noted())
  for (const [index, alarm] of alarms.entries()) {
    wheel.set(alarm, performance.now() + 60_000 - index * 1_000)
    t.equal(live.size, 1)
  }
  t.notOk((live.values().next().value as NodeJS.Timeout).hasRef(), 'which does not keep the process')
  for (const alarm of alarms) wheel.clear(alarm)
  t.equal(live.size, 0)
})
