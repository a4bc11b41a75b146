import t, { type Test } from 'tap'
import { Watchdog } from '../../plugin/client/watchdog.ts'
import { liveTimers, mockClock, setClock } from '../fixtures/clock.ts'

function setup (t: Test, timeout: number) {
  const { clock, advance } = mockClock(t)
  const test = { timeouts: 0, clock, advance, watchdog: new Watchdog(timeout, () => { test.timeouts++ }) }
  return test
}

t.test('a wait times out', async t => {
  const test = setup(t, 1_000)
  test.watchdog.start()
  test.advance(990)
  t.equal(test.timeouts, 0)
  test.advance(20)
  t.equal(test.timeouts, 1)
})

t.test('every wait has the full timeout', async t => {
  const test = setup(t, 1_000)
  for (let wait = 0; wait < 5; wait++) {
    test.watchdog.start()
    test.advance(900)
    test.watchdog.stop()
  }
  t.equal(test.timeouts, 0)
})

t.test('nothing times out after it was stopped', async t => {
  const test = setup(t, 1_000)
  test.watchdog.start()
  test.watchdog.stop()
  test.advance(5_000)
  test.watchdog.check()
  test.advance(5_000)
  t.equal(test.timeouts, 0)
})

t.test('after the machine has slept, the connection gets one second to receive data', async t => {
  const test = setup(t, 1_000)
  test.watchdog.start()
  // The time advances while no timer runs.
  test.clock.exit()
  const awake = mockClock(t, 1_000_000 + 60_000)
  test.watchdog.check()
  test.watchdog.check()
  awake.advance(990)
  t.equal(test.timeouts, 0)
  awake.advance(20)
  t.equal(test.timeouts, 1)
  test.watchdog.start()
  awake.advance(990)
  t.equal(test.timeouts, 1)
})

t.test('a check before the timeout does not change it', async t => {
  const test = setup(t, 1_000)
  test.watchdog.start()
  test.advance(500)
  test.watchdog.check()
  test.advance(490)
  t.equal(test.timeouts, 0)
  test.advance(20)
  t.equal(test.timeouts, 1)
})

t.test('a clock that is set back delays no timeout', async t => {
  for (const check of [false, true]) {
    for (const back of [300, 3_600_000]) {
      const test = setup(t, 1_000)
      test.watchdog.start()
      test.advance(500)
      setClock(t, -back)
      if (check) test.watchdog.check()
      test.advance(490)
      t.equal(test.timeouts, 0)
      test.advance(20)
      t.equal(test.timeouts, 1)
      test.advance(5_000)
      t.equal(test.timeouts, 1)
      test.clock.exit()
    }
  }
})

t.test('a clock that is set back while the machine sleeps counts as a timeout', async t => {
  const test = setup(t, 45_000)
  test.watchdog.start()
  setClock(t, -3_600_000)
  test.watchdog.check()
  test.advance(990)
  t.equal(test.timeouts, 0)
  test.advance(20)
  t.equal(test.timeouts, 1)
})

t.test('time that the machine sleeps counts as silence', async t => {
  const test = setup(t, 45_000)
  test.watchdog.start()
  setClock(t, 30_000)
  test.watchdog.check()
  test.watchdog.check()
  test.advance(14_990)
  t.equal(test.timeouts, 0)
  test.advance(20)
  t.equal(test.timeouts, 1)
})

t.test('a clock that jumps forward gives the connection one second to receive data', async t => {
  const test = setup(t, 45_000)
  test.watchdog.start()
  setClock(t, 3_600_000)
  test.watchdog.check()
  test.advance(500)
  test.watchdog.stop()
  test.watchdog.start()
  test.advance(5_000)
  t.equal(test.timeouts, 0)
})

t.test('repeated checks do not delay a timeout', async t => {
  const test = setup(t, 45_000)
  test.watchdog.start()
  setClock(t, 3_600_000)
  for (let count = 0; count < 3; count++) {
    test.watchdog.check()
    test.advance(400)
  }
  t.equal(test.timeouts, 1)
})

t.test('a timer that fires late, after the machine has slept, gives the connection one second', async t => {
  const test = setup(t, 1_000)
  test.watchdog.start()
  setClock(t, 60_000)
  test.advance(1_990)
  t.equal(test.timeouts, 0)
  test.advance(20)
  t.equal(test.timeouts, 1)
})

t.test('a timer that fires late, because the event loop was blocked, gives the connection one second', async t => {
  const test = setup(t, 1_000)
  test.watchdog.start()
  setClock(t, 500)
  test.advance(1_500)
  t.equal(test.timeouts, 0)
  test.advance(510)
  t.equal(test.timeouts, 1)
})

t.test('0 disables it, and stopping it clears its timer', async t => {
  const timers = liveTimers(t)
  const disabled = new Watchdog(0, () => t.fail('timed out'))
  disabled.start()
  disabled.check()
  t.equal(timers.size, 0)
  const watchdog = new Watchdog(1_000, () => t.fail('timed out'))
  watchdog.start()
  watchdog.start()
  t.equal(timers.size, 1)
  watchdog.stop()
  t.equal(timers.size, 0)
})
