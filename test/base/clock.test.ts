import { install } from '@sinonjs/fake-timers'
import t from 'tap'
import { currentTime, timerFired } from '../../plugin/base/clock.ts'
import { mockClock } from '../fixtures/clock.ts'

const pause = (ms: number): Promise<void> => new Promise(resolve => { realSetTimeout(resolve, ms) })
const { setTimeout: realSetTimeout } = globalThis

t.test('time is that of performance.now()', async t => {
  const before = performance.now()
  const time = currentTime()
  t.ok(time >= before && time <= performance.now())
  timerFired(time + 1_000)
  t.ok(currentTime() <= performance.now())
})

t.test('if a test fakes performance.now(), time follows it', async t => {
  const { advance } = mockClock(t)
  const start = currentTime()
  t.equal(start, performance.now())
  advance(1_000)
  t.equal(currentTime(), start + 1_000)
  timerFired(start + 5_000)
  t.equal(currentTime(), start + 1_000)
})

t.test('if setTimeout is wrapped, time is that of performance.now()', async t => {
  t.intercept(globalThis, 'setTimeout', { value: (callback: () => void, ms: number) => realSetTimeout(callback, ms) })
  for (let call = 0; call < 2; call++) {
    const before = performance.now()
    const time = currentTime()
    t.ok(time >= before && time <= performance.now())
    timerFired(time + 1_000)
  }
})

t.test('if a test fakes timers and Date, time follows Date and does not go back', async t => {
  const clock = install({ now: 1_000_000, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  t.teardown(() => { clock.uninstall() })
  const start = currentTime()
  await pause(5)
  t.equal(currentTime(), start)
  clock.tick(1_500)
  t.equal(currentTime(), start + 1_500)
  clock.setSystemTime(0)
  t.equal(currentTime(), start + 1_500)
  clock.tick(1_000)
  t.equal(currentTime(), start + 2_500)
  timerFired(start + 2_500)
  t.equal(currentTime(), start + 2_500)
})

t.test('if a test fakes only timers, time advances when one fires', async t => {
  const clock = install({ toFake: ['setTimeout', 'clearTimeout'] })
  t.teardown(() => { clock.uninstall() })
  const start = currentTime()
  await pause(5)
  clock.tick(1_500)
  t.equal(currentTime(), start)
  timerFired(start + 1_000)
  t.equal(currentTime(), start + 1_000)
  timerFired(start + 500)
  t.equal(currentTime(), start + 1_000)
})

t.test('when time is real again, it continues from that of the test', async t => {
  const clock = install({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const start = currentTime()
  clock.tick(100_000)
  currentTime()
  clock.uninstall()
  const time = currentTime()
  t.ok(time >= start + 100_000)
  await pause(5)
  t.ok(currentTime() - time >= 4)
})
