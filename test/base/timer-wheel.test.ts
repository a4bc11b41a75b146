import { install } from '@sinonjs/fake-timers'
import t, { type Test } from 'tap'
import { WheelTimer, TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { liveTimers, mockClock } from '../fixtures/clock.ts'

/** Records when it fires, then calls a function. */
class RecordingTimer extends WheelTimer {
  readonly firedAt: number[] = []
  readonly #onFire: (timer: RecordingTimer, now: number) => void

  constructor (onFire: (timer: RecordingTimer, now: number) => void = () => {}) {
    super()
    this.#onFire = onFire
  }

  fire (now: number): void {
    this.firedAt.push(now)
    this.#onFire(this, now)
  }
}

const realImmediate = setImmediate
const nextTurn = (): Promise<void> => new Promise(resolve => { realImmediate(resolve) })

/** A wheel whose clock stands still until the test advances it. */
function setup (t: Test): { wheel: TimerWheel } & ReturnType<typeof mockClock> {
  return { wheel: new TimerWheel(), ...mockClock(t, 12_345) }
}

const timesFired = (...timers: RecordingTimer[]): number[] => timers.map(({ firedAt }) => firedAt.length)

t.test('the delay of a timer that is already due is not negative, of which Node.js 24 warns', async t => {
  const { wheel, advance } = setup(t)
  const { setTimeout } = globalThis
  const delays: number[] = []
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => {
      delays.push(ms)
      return setTimeout(callback, ms)
    }
  })
  wheel.set(new RecordingTimer(), performance.now() + 10_000)
  advance(500)
  const timer = new RecordingTimer()
  wheel.set(timer, performance.now() - 400)
  t.equal(delays.length, 2)
  t.equal(delays[1], 0)
  advance(100)
  await nextTurn()
  t.strictSame(timesFired(timer), [1])
})

t.test('a timer fires once, never early, and at most 100 ms late', async t => {
  const { wheel, advance } = setup(t)
  const start = performance.now()
  const timers = Array.from({ length: 400 }, (_, index) => {
    const timer = new RecordingTimer()
    wheel.set(timer, start + index * 7.3)
    return timer
  })
  t.equal(wheel.size, 400)
  advance(3_100)
  for (const [index, { firedAt }] of timers.entries()) {
    const late = firedAt[0]! - (start + index * 7.3)
    if (firedAt.length !== 1 || late < 0 || late > 100) t.fail(`timer ${index} fired ${firedAt.length} times, ${late} ms late`)
  }
  t.equal(wheel.size, 0)
})

t.test('a timer that is alone in its slot is not late', async t => {
  const { wheel, advance } = setup(t)
  const start = performance.now()
  const [first, second] = [new RecordingTimer(), new RecordingTimer()]
  wheel.set(first, start + 30)
  advance(30)
  t.strictSame(first.firedAt, [start + 30])
  wheel.set(second, start + 15_010)
  advance(14_980)
  t.strictSame(second.firedAt, [start + 15_010])
})

t.test('timers of one slot fire together', async t => {
  const { wheel, advance } = setup(t)
  const start = performance.now()
  const timers = [1_020, 1_010, 1_030].map(ms => {
    const timer = new RecordingTimer()
    wheel.set(timer, start + ms)
    return timer
  })
  // The first that is set wakes the wheel, and then the last.
  wheel.set(new RecordingTimer(), start + 500)
  advance(1_030)
  t.strictSame(timers.map(({ firedAt }) => firedAt), [[start + 1_030], [start + 1_030], [start + 1_030]])
})

t.test('a timer fires on a clock that is replaced while others are set', async t => {
  const wheel = new TimerWheel()
  const [real, fake, again] = [new RecordingTimer(), new RecordingTimer(), new RecordingTimer()]
  wheel.set(real, performance.now() + 60)
  const clock = install({ toNotFake: ['nextTick', 'queueMicrotask'] })
  t.ok(performance.now() < 10, 'time goes back')
  wheel.set(fake, performance.now() + 15_000)
  clock.tick(14_999)
  t.strictSame(timesFired(fake), [0])
  clock.tick(1)
  t.strictSame(timesFired(fake), [1])
  wheel.set(fake, performance.now() + 15_000)
  clock.uninstall()
  wheel.set(again, performance.now() + 20)
  await new Promise(resolve => { setTimeout(resolve, 300) })
  t.strictSame(timesFired(real, again), [1, 1])
  wheel.clear(fake)
})

t.test('a timer that is due more than a round later waits for its round', async t => {
  const { wheel, advance } = setup(t)
  const start = performance.now()
  const timer = new RecordingTimer()
  const heartbeat = new RecordingTimer((heartbeat, now) => { wheel.set(heartbeat, now + 1_000) })
  wheel.set(timer, start + 360_000)
  wheel.set(heartbeat, start + 1_000)
  advance(359_990)
  t.strictSame(timer.firedAt, [])
  advance(110)
  t.equal(timer.firedAt.length, 1)
  t.ok(timer.firedAt[0]! >= start + 360_000)
})

t.test('a timer may be due in a month', async t => {
  const { wheel, clock } = setup(t)
  const month = 30 * 86_400_000
  const timer = new RecordingTimer()
  wheel.set(timer, performance.now() + month)
  clock.advance(month - 1_000)
  t.strictSame(timer.firedAt, [])
  clock.advance(1_100)
  await nextTurn()
  t.equal(timer.firedAt.length, 1)
})

t.test('a delay longer than setTimeout supports causes no warning', async t => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => { warnings.push(warning) }
  process.on('warning', onWarning)
  const wheel = new TimerWheel()
  const timer = new RecordingTimer()
  wheel.set(timer, performance.now() + 30 * 86_400_000)
  await new Promise(resolve => { setTimeout(resolve, 20) })
  wheel.clear(timer)
  process.off('warning', onWarning)
  t.strictSame(warnings, [])
  t.strictSame(timer.firedAt, [])
})

t.test('setting a timer again moves it, and a cleared timer does not fire', async t => {
  const { wheel, advance } = setup(t)
  const start = performance.now()
  const [sooner, later, cleared, endless] = [new RecordingTimer(), new RecordingTimer(), new RecordingTimer(), new RecordingTimer()]
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
  advance(1_000)
  t.strictSame(timesFired(sooner, later, cleared, endless), [1, 0, 0, 0])
  advance(4_100)
  t.strictSame(timesFired(sooner, later, cleared, endless), [1, 1, 0, 0])
})

t.test('a timer that is set to a time in the past fires soon', async t => {
  const { wheel, advance } = setup(t)
  const timer = new RecordingTimer()
  wheel.set(timer, performance.now() - 10_000)
  t.strictSame(timer.firedAt, [], 'not synchronously')
  advance(100)
  t.equal(timer.firedAt.length, 1)
})

t.test('a timer may set itself and clear others when it fires', async t => {
  const { wheel, advance } = setup(t)
  const start = performance.now()
  const cleared = new RecordingTimer()
  const heartbeat = new RecordingTimer((timer, now) => { wheel.set(timer, now + 1_000) })
  const clearing = new RecordingTimer(() => { wheel.clear(cleared) })
  wheel.set(heartbeat, start + 1_000)
  wheel.set(clearing, start + 1_000)
  wheel.set(cleared, start + 1_000)
  advance(10_900)
  t.strictSame(cleared.firedAt, [], 'cleared in the turn in which it was due')
  t.ok(heartbeat.firedAt.length >= 9 && heartbeat.firedAt.length <= 10, `${heartbeat.firedAt.length} heartbeats in 10.9 s`)
  wheel.clear(heartbeat)
})

t.test('a timer that keeps setting itself to a past time does not starve the others', async t => {
  const { wheel, advance } = setup(t)
  const hasty = new RecordingTimer((timer, now) => { if (timer.firedAt.length < 1_000) wheel.set(timer, now - 1) })
  const other = new RecordingTimer()
  wheel.set(hasty, performance.now() + 100)
  wheel.set(other, performance.now() + 120)
  advance(300)
  t.equal(other.firedAt.length, 1)
  t.ok(hasty.firedAt.length < 10, 'it fires once per slot')
  wheel.clear(hasty)
})

t.test('after the machine has slept, every overdue timer fires once, in the next turn of the event loop', async t => {
  const { wheel, clock } = setup(t)
  const start = performance.now()
  const timers = Array.from({ length: 100 }, (_, index) => {
    const timer = new RecordingTimer()
    wheel.set(timer, start + index * 1_000)
    return timer
  })
  clock.travel(clock.now() + 86_400_000)
  clock.advance(1)
  t.ok(timers.every(({ firedAt }) => firedAt.length === 0))
  await nextTurn()
  t.ok(timers.every(({ firedAt }) => firedAt.length === 1))
  t.equal(wheel.size, 0)
})

t.test('many timers that are due at once fire in batches, and the event loop runs in between', async t => {
  const { wheel, advance } = setup(t)
  const start = performance.now()
  const timers = Array.from({ length: 1_000 }, () => {
    const timer = new RecordingTimer()
    wheel.set(timer, start + 100)
    return timer
  })
  const fired = (): number => timers.filter(({ firedAt }) => firedAt.length === 1).length
  advance(160)
  t.equal(fired(), 128)
  await nextTurn()
  t.equal(fired(), 256)
  for (let turn = 0; turn < 8; turn++) await nextTurn()
  t.equal(fired(), 1_000)
  t.equal(wheel.size, 0)
})

t.test('a wheel uses one Node.js timer, and none while it is empty', async t => {
  const live = liveTimers(t)
  const wheel = new TimerWheel()
  const timers = Array.from({ length: 50 }, () => new RecordingTimer())
  for (const [index, timer] of timers.entries()) {
    wheel.set(timer, performance.now() + 60_000 - index * 1_000)
    t.equal(live.size, 1)
  }
  t.notOk((live.values().next().value as NodeJS.Timeout).hasRef(), 'it does not keep the process alive')
  for (const timer of timers) wheel.clear(timer)
  t.equal(live.size, 0)
})

t.test('a wheel keeps the process alive only while a timer is set that does', async t => {
  const live = liveTimers(t)
  const wheel = new TimerWheel()
  const hasRef = (): boolean[] => Array.from(live as ReadonlySet<NodeJS.Timeout>, timer => timer.hasRef())
  const [one, two, other] = [new RecordingTimer(), new RecordingTimer(), new RecordingTimer()]
  one.keepsAlive = two.keepsAlive = true
  const now = performance.now()
  wheel.set(other, now + 50_000)
  t.strictSame(hasRef(), [false])
  wheel.set(one, now + 60_000)
  t.strictSame(hasRef(), [true], 'a later timer')
  wheel.set(two, now + 40_000)
  wheel.clear(one)
  t.strictSame(hasRef(), [true], 'an earlier timer')
  wheel.clear(two)
  t.strictSame(hasRef(), [false])
  wheel.clear(other)
  wheel.set(two, now + 40_000)
  t.strictSame(hasRef(), [true], 'in an empty wheel')
  wheel.clear(two)
  t.strictSame(hasRef(), [])
})

t.test('a timer that throws does not stop the others, and becomes a warning', async t => {
  const { wheel, advance } = setup(t)
  const warnings = t.capture(process, 'emitWarning')
  const timers = [1, 2, 3].map(number => new RecordingTimer(() => { if (number < 3) throw new Error(`boom ${number}`) }))
  for (const timer of timers) wheel.set(timer, performance.now() + 100)
  advance(300)
  t.strictSame(timesFired(...timers), [1, 1, 1])
  t.match(warnings.args(), [[/^A timer threw: Error: boom 1/], [/boom 2/]])
  wheel.set(timers[2]!, performance.now() + 100)
  advance(300)
  t.strictSame(timesFired(timers[2]!), [2])
})
