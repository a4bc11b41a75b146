import t, { type Test } from 'tap'
import { ReconnectTimer } from '../../plugin/client/reconnect-timer.ts'
import { liveTimers, mockClock, setClock } from '../fixtures/clock.ts'

function startTimer (t: Test, delay: number, minimum: number): { timer: ReconnectTimer, advance: (ms: number) => void, hasElapsed: () => Promise<boolean> } {
  const { advance } = mockClock(t)
  const timer = new ReconnectTimer({ delay, minimum })
  let elapsed = false
  timer.elapsed.then(() => { elapsed = true })
  return { timer, advance, hasElapsed: async () => await Promise.resolve().then(() => elapsed) }
}

t.test('it elapses after the delay', async t => {
  const { advance, hasElapsed } = startTimer(t, 1_000, 0)
  advance(990)
  t.notOk(await hasElapsed())
  advance(20)
  t.ok(await hasElapsed())
})

t.test('it can be shortened to the minimum', async t => {
  const { timer, advance, hasElapsed } = startTimer(t, 1_000, 500)
  advance(100)
  timer.shorten()
  timer.shorten()
  advance(390)
  t.notOk(await hasElapsed())
  advance(20)
  t.ok(await hasElapsed())
})

t.test('it elapses immediately when it is shortened and has no minimum', async t => {
  const { timer, advance, hasElapsed } = startTimer(t, 1_000, 0)
  advance(100)
  timer.shorten()
  advance(10)
  t.ok(await hasElapsed())
})

t.test('a clock that is set back delays nothing', async t => {
  for (const minimum of [0, 500]) {
    const { timer, advance, hasElapsed } = startTimer(t, 1_000, minimum)
    setClock(t, -3_600_000)
    timer.shorten()
    advance(minimum + 10)
    t.ok(await hasElapsed(), 'it waits at most for the minimum')
  }
  const { timer, advance, hasElapsed } = startTimer(t, 1_000, 900)
  advance(500)
  setClock(t, -3_600_000)
  timer.shorten()
  advance(490)
  t.notOk(await hasElapsed())
  advance(20)
  t.ok(await hasElapsed(), 'it waits at most for the delay')
})

t.test('a clock that jumps forward while the machine sleeps ends the minimum', async t => {
  const { timer, advance, hasElapsed } = startTimer(t, 60_000, 30_000)
  setClock(t, 3_600_000)
  timer.shorten()
  advance(10)
  t.ok(await hasElapsed())
})

t.test('no timer is left once it has elapsed', async t => {
  const timers = liveTimers(t)
  const timer = new ReconnectTimer({ delay: 60_000, minimum: 0 })
  timer.shorten()
  timer.shorten()
  await timer.elapsed
  t.equal(timers.size, 0)
})

t.test('canceling it clears its timeout', async t => {
  const timers = liveTimers(t)
  const timer = new ReconnectTimer({ delay: 1_000, minimum: 1_000 })
  t.equal(timers.size, 1)
  timer.cancel()
  await timer.elapsed
  t.equal(timers.size, 0)
})
