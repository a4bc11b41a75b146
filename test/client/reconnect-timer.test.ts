import t, { type Test } from 'tap'
import { ReconnectTimer } from '../../plugin/client/reconnect-timer.ts'
import { liveTimers, stillClock } from '../fixtures/clock.ts'

function startTimer (t: Test, delay: number, minimum: number): { timer: ReconnectTimer, pass: (ms: number) => void, hasElapsed: () => Promise<boolean> } {
  const { pass } = stillClock(t)
  const timer = new ReconnectTimer({ delay, minimum })
  let elapsed = false
  timer.elapsed.then(() => { elapsed = true })
  return { timer, pass, hasElapsed: async () => await Promise.resolve().then(() => elapsed) }
}

t.test('it elapses after the delay', async t => {
  const { pass, hasElapsed } = startTimer(t, 1_000, 0)
  pass(990)
  t.notOk(await hasElapsed())
  pass(20)
  t.ok(await hasElapsed())
})

t.test('it can be shortened to the minimum', async t => {
  const { timer, pass, hasElapsed } = startTimer(t, 1_000, 500)
  pass(100)
  timer.shorten()
  timer.shorten()
  pass(390)
  t.notOk(await hasElapsed())
  pass(20)
  t.ok(await hasElapsed())
})

t.test('it elapses immediately when it is shortened and has no minimum', async t => {
  const { timer, pass, hasElapsed } = startTimer(t, 1_000, 0)
  pass(100)
  timer.shorten()
  pass(10)
  t.ok(await hasElapsed())
})

t.test('canceling it clears its timeout', async t => {
  const timers = liveTimers(t)
  const timer = new ReconnectTimer({ delay: 1_000, minimum: 1_000 })
  t.equal(timers.size, 1)
  timer.cancel()
  await timer.elapsed
  t.equal(timers.size, 0)
})
