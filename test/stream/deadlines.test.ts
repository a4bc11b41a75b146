import t, { type Test } from 'tap'
import { Deadlines } from '../../plugin/stream/deadlines.ts'
import { STREAM_DEFAULTS, type StreamOptions, type StreamSettings } from '../../plugin/stream/options.ts'
import type { Outbox } from '../../plugin/stream/outbox.ts'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { mockClock } from '../fixtures/clock.ts'

interface Setup {
  deadlines: Deadlines
  /** What was called, in order. */
  due: string[]
  /** The times at which bytes were still waiting. */
  waits: number[]
  outbox: { lastWrite: number, fullSince: number, progress: number }
  wheel: TimerWheel
  advance: (ms: number) => void
}

function setup (t: Test, options: StreamOptions): Setup {
  const { advance } = mockClock(t)
  const due: string[] = []
  const waits: number[] = []
  const outbox = { lastWrite: performance.now(), fullSince: Infinity, progress: 7 }
  const wheel = new TimerWheel()
  const deadlines = new Deadlines({
    sendHeartbeat: () => {
      due.push('sendHeartbeat')
      outbox.lastWrite = performance.now()
    },
    timeOut: () => {
      due.push('timeOut')
      deadlines.end()
    },
    endWith: reason => {
      due.push(reason)
      deadlines.end()
    },
    waiting: () => { waits.push(performance.now()) },
    cut: reason => {
      due.push(reason)
      deadlines.clear()
    }
  }, { ...STREAM_DEFAULTS, heartbeat: 0, ...options } as StreamSettings, outbox as Outbox, wheel)
  return { deadlines, due, waits, outbox, wheel, advance }
}

t.test('nothing is due before the stream opens', async t => {
  const { deadlines, due, wheel, advance } = setup(t, { heartbeat: 100, timeout: 100 })
  deadlines.update()
  deadlines.end()
  advance(1_000)
  t.strictSame(due, [])
  t.equal(wheel.size, 0)
})

t.test('one timer on the wheel fires at the earliest deadline', async t => {
  const { deadlines, due, wheel, advance } = setup(t, { heartbeat: 1_000, timeout: 2_500, expiresAt: Date.now() + 5_000 })
  deadlines.begin(false)
  t.equal(wheel.size, 1)
  advance(2_700)
  t.strictSame(due, ['sendHeartbeat', 'sendHeartbeat', 'timeOut'])
})

t.test('expiry takes precedence over the timeout', async t => {
  const { deadlines, due, advance } = setup(t, { timeout: 1_000, expiresAt: 1_000_000 + 1_000 })
  deadlines.begin(false)
  advance(1_100)
  t.strictSame(due, ['expired'])
})

t.test('the timeout can be extended', async t => {
  const { deadlines, due, advance } = setup(t, { timeout: 1_000 })
  deadlines.begin(false)
  advance(500)
  deadlines.extend(1_000)
  advance(900)
  t.strictSame(due, [])
  advance(200)
  t.strictSame(due, ['timeOut'])
})

t.test('a full connection receives no heartbeat and stalls', async t => {
  const { deadlines, due, outbox, advance } = setup(t, { heartbeat: 100, stallTimeout: 2_000 })
  deadlines.begin(false)
  outbox.fullSince = performance.now()
  deadlines.update()
  advance(1_900)
  t.strictSame(due, [])
  advance(200)
  t.strictSame(due, ['slow'])
})

t.test('a connection that drains in time does not stall', async t => {
  const { deadlines, due, outbox, advance } = setup(t, { stallTimeout: 2_000 })
  deadlines.begin(false)
  outbox.fullSince = performance.now()
  deadlines.update()
  advance(1_900)
  outbox.fullSince = Infinity
  deadlines.update()
  advance(5_000)
  t.strictSame(due, [])
})

t.test('a client that takes bytes does not stall, however long the connection stays full', async t => {
  const { deadlines, due, outbox, advance } = setup(t, { stallTimeout: 2_000 })
  deadlines.begin(false)
  outbox.fullSince = performance.now()
  deadlines.update()
  for (let times = 0; times < 10; times++) {
    advance(1_400)
    outbox.progress++
  }
  t.strictSame(due, [])
  advance(1_900)
  t.strictSame(due, [])
  advance(800)
  t.strictSame(due, ['slow'], 'stallTimeout counts from the last bytes, as far as they are noticed')
})

t.test('waiting bytes are reported after each quarter of stallTimeout', async t => {
  const { deadlines, waits, outbox, advance } = setup(t, { stallTimeout: 2_000 })
  deadlines.begin(false)
  const start = performance.now()
  outbox.fullSince = start
  deadlines.update()
  advance(400)
  t.equal(waits.length, 0)
  advance(700)
  t.equal(waits.length, 2)
  t.ok(waits[0]! - start >= 500 && waits[1]! - start >= 1_000, String(waits.map(time => time - start)))
  outbox.fullSince = Infinity
  deadlines.update()
  advance(10_000)
  t.equal(waits.length, 2)
})

t.test('bytes that were taken before the connection was full are no progress', async t => {
  const { deadlines, due, outbox, advance } = setup(t, { heartbeat: 100, stallTimeout: 2_000 })
  deadlines.begin(false)
  advance(1_000)
  outbox.progress = 1_000
  outbox.fullSince = performance.now()
  deadlines.update()
  advance(1_900)
  t.strictSame(due.filter(call => call !== 'sendHeartbeat'), [])
  advance(200)
  t.strictSame(due.filter(call => call !== 'sendHeartbeat'), ['slow'])
})

t.test('after the end, a client that takes bytes does not stall', async t => {
  const { deadlines, due, outbox, advance } = setup(t, { stallTimeout: 2_000 })
  deadlines.begin(false)
  deadlines.end()
  for (let times = 0; times < 10; times++) {
    advance(1_400)
    outbox.progress++
  }
  t.strictSame(due, [])
  advance(2_700)
  t.strictSame(due, ['slow'])
})

t.test('after the end, only stallTimeout applies', async t => {
  const { deadlines, due, wheel, advance } = setup(t, { heartbeat: 100, timeout: 500, stallTimeout: 2_000 })
  deadlines.begin(false)
  deadlines.end()
  advance(1_900)
  t.strictSame(due, [])
  advance(200)
  t.strictSame(due, ['slow'])
  t.equal(wheel.size, 0)
})

t.test('a stream that ended before it opened stalls stallTimeout after it opens', async t => {
  const { deadlines, due, advance } = setup(t, { stallTimeout: 1_000 })
  deadlines.end()
  advance(5_000)
  deadlines.begin(false)
  advance(900)
  t.strictSame(due, [])
  advance(200)
  t.strictSame(due, ['slow'])
})

t.test('a stream without a socket keeps the process alive while it has a deadline', async t => {
  const keepsAlive = (options: StreamOptions, isInjected: boolean): boolean => {
    const { deadlines } = setup(t, { heartbeat: 100, ...options })
    deadlines.begin(isInjected)
    deadlines.clear()
    return deadlines.keepsAlive
  }
  t.ok(keepsAlive({ timeout: 100 }, true))
  t.ok(keepsAlive({ expiresAt: Date.now() + 100 }, true))
  t.notOk(keepsAlive({}, true), 'without a deadline')
  t.notOk(keepsAlive({ timeout: 100 }, false), 'with a socket')
})
