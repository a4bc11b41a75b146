import t, { type Test } from 'tap'
import { Pause } from '../../plugin/client/pause.ts'
import { liveTimers, stillClock } from '../fixtures/clock.ts'

/** A pause, and whether it is over. */
function pausing (t: Test, delay: number, asked: number): { pause: Pause, pass: (ms: number) => void, isOver: () => Promise<boolean> } {
  const { pass } = stillClock(t)
  const pause = new Pause({ delay, asked })
  let over = false
  pause.over.then(() => { over = true })
  return { pause, pass, isOver: async () => await Promise.resolve().then(() => over) }
}

t.test('a pause is over in time', async t => {
  const { pass, isOver } = pausing(t, 1_000, 0)
  pass(990)
  t.notOk(await isOver())
  pass(20)
  t.ok(await isOver())
})

t.test('it can be hurried, though not below what the server asked for', async t => {
  const { pause, pass, isOver } = pausing(t, 1_000, 500)
  pass(100)
  pause.hurry()
  pause.hurry()
  pass(390)
  t.notOk(await isOver())
  pass(20)
  t.ok(await isOver())
})

t.test('where the server has asked for none, hurrying ends it', async t => {
  const { pause, pass, isOver } = pausing(t, 1_000, 0)
  pass(100)
  pause.hurry()
  pass(10)
  t.ok(await isOver())
})

t.test('it can be ended', async t => {
  const timers = liveTimers(t)
  const pause = new Pause({ delay: 1_000, asked: 1_000 })
  t.equal(timers.size, 1)
  pause.end()
  await pause.over
  t.equal(timers.size, 0)
})
