import t, { type Test } from 'tap'
import { Watchdog } from '../../plugin/client/watchdog.ts'
import { liveTimers, stillClock } from '../fixtures/clock.ts'

/** A watchdog, and how often it has barked. */
function watching (t: Test, timeout: number) {
  const { clock, pass } = stillClock(t)
  const scene = { barks: 0, clock, pass, watchdog: new Watchdog(timeout, () => { scene.barks++ }) }
  return scene
}

t.test('it notices silence', async t => {
  const scene = watching(t, 1_000)
  scene.watchdog.start()
  scene.pass(990)
  t.equal(scene.barks, 0)
  scene.pass(20)
  t.equal(scene.barks, 1)
})

t.test('what is heard begins a new silence', async t => {
  const scene = watching(t, 1_000)
  for (let heard = 0; heard < 5; heard++) {
    scene.watchdog.start()
    scene.pass(900)
    scene.watchdog.stop()
  }
  t.equal(scene.barks, 0)
})

t.test('nothing is noticed while nothing is waited for', async t => {
  const scene = watching(t, 1_000)
  scene.watchdog.start()
  scene.watchdog.stop()
  scene.pass(5_000)
  scene.watchdog.look()
  scene.pass(5_000)
  t.equal(scene.barks, 0)
})

t.test('after a sleep, what has come meanwhile gets a second to get here', async t => {
  const scene = watching(t, 1_000)
  scene.watchdog.start()
  // The clock goes, and no timer does.
  scene.clock.exit()
  const asleep = stillClock(t, 1_000_000 + 60_000)
  scene.watchdog.look()
  scene.watchdog.look()
  asleep.pass(990)
  t.equal(scene.barks, 0)
  asleep.pass(20)
  t.equal(scene.barks, 1)
  scene.watchdog.start()
  asleep.pass(990)
  t.equal(scene.barks, 1)
})

t.test('looking before it is time changes nothing', async t => {
  const scene = watching(t, 1_000)
  scene.watchdog.start()
  scene.pass(500)
  scene.watchdog.look()
  scene.pass(490)
  t.equal(scene.barks, 0)
  scene.pass(20)
  t.equal(scene.barks, 1)
})

t.test('0 is never, and it leaves no timer', async t => {
  const timers = liveTimers(t)
  const never = new Watchdog(0, () => t.fail('it barked'))
  never.start()
  never.look()
  t.equal(timers.size, 0)
  const watchdog = new Watchdog(1_000, () => t.fail('it barked'))
  watchdog.start()
  watchdog.start()
  t.equal(timers.size, 1)
  watchdog.stop()
  t.equal(timers.size, 0)
})
