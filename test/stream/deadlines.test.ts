import t, { type Test } from 'tap'
import { Deadlines } from '../../plugin/stream/deadlines.ts'
import { STREAM_DEFAULTS, type StreamOptions, type StreamSettings } from '../../plugin/stream/options.ts'
import type { Outbox } from '../../plugin/stream/outbox.ts'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { stillClock } from '../fixtures/clock.ts'

interface Scene {
  deadlines: Deadlines
  /** What was due, in order. */
  due: string[]
  outbox: { lastWrite: number, fullSince: number }
  wheel: TimerWheel
  pass: (ms: number) => void
}

function scene (t: Test, options: StreamOptions): Scene {
  const { pass } = stillClock(t)
  const due: string[] = []
  const outbox = { lastWrite: performance.now(), fullSince: Infinity }
  const wheel = new TimerWheel()
  const deadlines = new Deadlines({
    beat: () => {
      due.push('beat')
      outbox.lastWrite = performance.now()
    },
    timeOut: () => {
      due.push('timeOut')
      deadlines.end()
    },
    expire: () => {
      due.push('expire')
      deadlines.end()
    },
    stall: () => {
      due.push('stall')
      deadlines.clear()
    }
  }, { ...STREAM_DEFAULTS, heartbeat: 0, ...options } as StreamSettings, outbox as Outbox, wheel)
  return { deadlines, due, outbox, wheel, pass }
}

t.test('nothing is due before the opening', async t => {
  const { deadlines, due, wheel, pass } = scene(t, { heartbeat: 100, timeout: 100 })
  deadlines.update()
  deadlines.end()
  pass(1_000)
  t.strictSame(due, [])
  t.equal(wheel.size, 0)
})

t.test('the soonest of all hangs on the wheel', async t => {
  const { deadlines, due, wheel, pass } = scene(t, { heartbeat: 1_000, timeout: 2_500, expiresAt: Date.now() + 5_000 })
  deadlines.begin()
  t.equal(wheel.size, 1)
  pass(2_700)
  t.strictSame(due, ['beat', 'beat', 'timeOut'])
})

t.test('what expires goes before what times out', async t => {
  const { deadlines, due, pass } = scene(t, { timeout: 1_000, expiresAt: 1_000_000 + 1_000 })
  deadlines.begin()
  pass(1_100)
  t.strictSame(due, ['expire'])
})

t.test('the end of the lifetime can be moved', async t => {
  const { deadlines, due, pass } = scene(t, { timeout: 1_000 })
  deadlines.begin()
  pass(500)
  deadlines.extend(1_000)
  pass(900)
  t.strictSame(due, [])
  pass(200)
  t.strictSame(due, ['timeOut'])
})

t.test('a full connection gets no heartbeat, and stalls', async t => {
  const { deadlines, due, outbox, pass } = scene(t, { heartbeat: 100, stallTimeout: 2_000 })
  deadlines.begin()
  outbox.fullSince = performance.now()
  deadlines.update()
  pass(1_900)
  t.strictSame(due, [])
  pass(200)
  t.strictSame(due, ['stall'])
})

t.test('one that was full and is not any more, does not', async t => {
  const { deadlines, due, outbox, pass } = scene(t, { stallTimeout: 2_000 })
  deadlines.begin()
  outbox.fullSince = performance.now()
  deadlines.update()
  pass(1_900)
  outbox.fullSince = Infinity
  deadlines.update()
  pass(5_000)
  t.strictSame(due, [])
})

t.test('after the end, only the stall counts', async t => {
  const { deadlines, due, wheel, pass } = scene(t, { heartbeat: 100, timeout: 500, stallTimeout: 2_000 })
  deadlines.begin()
  deadlines.end()
  pass(1_900)
  t.strictSame(due, [])
  pass(200)
  t.strictSame(due, ['stall'])
  t.equal(wheel.size, 0)
})

t.test('a stream that ended before it opened has its time from the opening', async t => {
  const { deadlines, due, pass } = scene(t, { stallTimeout: 1_000 })
  deadlines.end()
  pass(5_000)
  deadlines.begin()
  pass(900)
  t.strictSame(due, [])
  pass(200)
  t.strictSame(due, ['stall'])
})
