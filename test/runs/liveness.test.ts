import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { SseBroker } from '../../plugin/channels/broker.ts'
import { memoryBroker } from '../../plugin/channels/memory-broker.ts'
import { BEAT, DOUBT, SILENCE, ProducerWatch } from '../../plugin/runs/liveness.ts'
import type { SseRun } from '../../plugin/runs/run.ts'
import { TimerWheel } from '../../plugin/base/timer-wheel.ts'
import { stillClock } from '../fixtures/clock.ts'
import { byHand, runsOn } from '../fixtures/runs.ts'

const turns = async (): Promise<void> => { for (let turn = 0; turn < 20; turn++) await nextTurn() }

/** What a process sees of a broker that it shares: nothing it says arrives while it is gone, and nothing is answered. */
class Line implements SseBroker {
  readonly shared = true
  readonly #broker: SseBroker
  readonly subscribe: SseBroker['subscribe']
  gone = false
  /** The next publications are refused. */
  refused = 0
  published = 0
  #back: Array<() => void> = []

  constructor (broker: SseBroker) {
    this.#broker = broker
    this.subscribe = (channel, listener) => broker.subscribe(channel, {
      onEntry: entry => { if (!this.gone) listener.onEntry(entry) },
      onBreak: () => {}
    })
  }

  async publish (...args: Parameters<SseBroker['publish']>): ReturnType<SseBroker['publish']> {
    this.published++
    if (this.gone || this.refused-- > 0) throw new Error('Redis is away')
    return await this.#broker.publish(...args)
  }

  async replay (...args: Parameters<SseBroker['replay']>): ReturnType<SseBroker['replay']> {
    if (this.gone) await new Promise<void>(resolve => { this.#back.push(resolve) })
    return await this.#broker.replay(...args)
  }

  comeBack (): void {
    this.gone = false
    for (const resolve of this.#back.splice(0)) resolve()
  }

  async close (): Promise<void> {}
}

/** Has time pass, and everybody do what is due meanwhile. */
type Wait = (ms: number) => Promise<void>

function clock (t: Test): Wait {
  const { pass } = stillClock(t)
  return async ms => {
    for (let left = ms; left > 0; left -= 500) {
      pass(Math.min(left, 500))
      await turns()
    }
  }
}

/** Two processes on one broker: a run is produced in one and viewed in the other. */
async function scene (t: Test) {
  const wait = clock(t)
  const broker = memoryBroker()
  const [lineA, lineB] = [new Line(broker), new Line(broker)]
  const [a, b] = [runsOn(lineA), runsOn(lineB)]
  const hand = byHand()
  let signal: AbortSignal | undefined
  await a.runs.start('a', context => {
    signal = context.signal
    return hand.produce(context)
  }, { timeout: 0, idleTimeout: 0 })
  const run = (await b.runs.get('a'))!
  return {
    a,
    b,
    lineA,
    lineB,
    hand,
    run,
    signal: () => signal!,
    wait
  }
}

/** What a viewer has seen so far. */
function view (run: SseRun, signal?: AbortSignal): Array<[type: string | undefined, data: string | undefined]> {
  const seen: Array<[string | undefined, string | undefined]> = []
  const read = async (): Promise<void> => { for await (const { event, data } of run.read({ signal })) seen.push([event, data]) }
  read().catch(() => {})
  return seen
}

const LOST = ['failed', JSON.stringify({ code: 'producer_lost', message: 'The server that gave it is gone', retryable: true })]

t.test('a run goes on as long as its process lives, however long it is silent', async t => {
  const { run, hand, wait } = await scene(t)
  const seen = view(run)
  await wait(60_000)
  hand.give('x')
  hand.end()
  await wait(500)
  t.strictSame(seen, [[undefined, 'x'], ['done', '{}']])
})

t.test('when its process is lost, who views it in another sees it fail within 15 seconds', async t => {
  const { run, hand, lineA, wait } = await scene(t)
  const seen = view(run)
  hand.give('x')
  await wait(5_000)
  lineA.gone = true
  await wait(SILENCE - BEAT)
  t.strictSame(seen, [[undefined, 'x']], 'not at once')
  await wait(15_000 - SILENCE + BEAT)
  t.strictSame(seen, [[undefined, 'x'], LOST])
})

t.test('a process that wakes learns that its run has ended, and what it still says is read by nobody', async t => {
  const { b, run, hand, lineA, signal, wait } = await scene(t)
  const seen = view(run)
  lineA.gone = true
  await wait(15_000)
  t.strictSame(seen, [LOST])
  t.equal(signal().aborted, false)
  lineA.comeBack()
  hand.give('too late')
  await wait(BEAT)
  t.strictSame(await b.log('a').then(log => log.filter(([event]) => event === 'failed').length), 1)
  const again = view((await b.runs.get('a'))!)
  await wait(500)
  t.strictSame(again, [LOST], 'nor when it is read again')
})

t.test('a silence of the broker is none of the process', async t => {
  const { run, hand, lineA, lineB, wait } = await scene(t)
  const seen = view(run)
  await wait(1_000)
  for (const line of [lineA, lineB]) line.gone = true
  await wait(60_000)
  for (const line of [lineA, lineB]) line.comeBack()
  await wait(60_000)
  hand.end()
  await wait(500)
  t.strictSame(seen, [['done', '{}']])
})

t.test('where the loss cannot be told, it is looked at anew, and told then', async t => {
  const { run, lineA, lineB, wait } = await scene(t)
  const seen = view(run)
  lineA.gone = true
  lineB.refused = 1
  await wait(SILENCE + DOUBT + 1_000)
  t.equal(lineB.published, 1)
  t.strictSame(seen, [])
  await wait(SILENCE + DOUBT + 1_000)
  t.strictSame(seen, [LOST])
})

t.test('where a beat may have been missed, the silence begins anew', async t => {
  const wait = clock(t)
  let lost = 0
  const vigil = new ProducerWatch({ broker: new Line(memoryBroker()), wheel: new TimerWheel() }, 'a', async () => { lost++ })
  vigil.begin()
  await wait(SILENCE + DOUBT - 1_000)
  vigil.onBreak()
  await wait(SILENCE + DOUBT - 1_000)
  t.equal(lost, 0)
  await wait(2_000)
  t.equal(lost, 1)
  vigil.stop()
})

t.test('nobody looks after a process whose runs nobody views', async t => {
  const { b, run, lineA, lineB, wait } = await scene(t)
  const leaving = new AbortController()
  const seen = view(run, leaving.signal)
  await wait(1_000)
  t.equal(b.wheel.size, 1)
  leaving.abort()
  await turns()
  t.equal(b.wheel.size, 0)
  lineA.gone = true
  await wait(60_000)
  t.strictSame(seen, [])
  t.equal(lineB.published, 0)
})

t.test('who leaves while the broker is asked is not waited for', async t => {
  const { b, run, lineA, lineB, wait } = await scene(t)
  const leaving = new AbortController()
  view(run, leaving.signal)
  await wait(1_000)
  for (const line of [lineA, lineB]) line.gone = true
  await wait(SILENCE + 1_000)
  leaving.abort()
  lineB.comeBack()
  await turns()
  t.equal(b.wheel.size, 0)
})

t.test('a process has one beat for all its runs, and none when it has none', async t => {
  const { a, lineA, wait } = await scene(t)
  await a.runs.start('b', byHand().produce)
  await wait(BEAT)
  const before = lineA.published
  await wait(10 * BEAT)
  t.equal(lineA.published - before, 10)
  await Promise.all(['a', 'b'].map(async id => await a.runs.cancel(id)))
  await wait(11 * 60_000)
  t.equal(a.runs.size, 0)
  const after = lineA.published
  await wait(10 * BEAT)
  t.equal(lineA.published, after)
  t.equal(a.wheel.size, 0)
})

t.test('where no other process could hear it, there is no beat', async t => {
  stillClock(t)
  const { broker, runs } = runsOn(memoryBroker())
  await runs.start('a', byHand().produce)
  t.equal((await broker.replay('run:a', undefined, 1)).entries[0]!.comment, 'run')
})
