import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MODEL_FAILED } from '../../../server/model/openai-errors.ts'
import type { Fault } from '../../../server/model/faults.ts'
import { generate, type GenerationOptions, type GenerationPart } from '../../../server/model/generation.ts'
import { SeededRandom } from '../../../server/seeded-random.ts'

const TEXT = 'one two three four five six seven eight nine ten'
const TOKENS = TEXT.match(/ ?\w+/g)!

interface Result {
  parts: GenerationPart[]
  /** Milliseconds of each pause. */
  pauses: number[]
  /** Number of parts before the connection was cut. */
  cutAfter: number | undefined
  error: unknown
}

/** Runs a generation to its end without waiting. */
async function run (t: Test, fault?: Fault, options: Partial<GenerationOptions> = {}): Promise<Result> {
  const result: Result = { parts: [], pauses: [], cutAfter: undefined, error: undefined }
  const restore = t.intercept(timers, 'setTimeout', { value: async (ms: number) => { result.pauses.push(ms) } }).restore
  const restoreTurns = t.intercept(timers, 'setImmediate', { value: async () => { result.pauses.push(0) } }).restore
  syncBuiltinESMExports()
  const generation = generate({
    text: TEXT,
    limit: 100,
    pace: { firstToken: 200, token: 30 },
    fault,
    random: new SeededRandom('a'),
    signal: new AbortController().signal,
    cut: () => { result.cutAfter = result.parts.length },
    ...options
  })
  try {
    for await (const part of generation) result.parts.push(part)
  } catch (error) {
    result.error = error
  } finally {
    restore()
    restoreTurns()
    syncBuiltinESMExports()
  }
  return result
}

const textsOf = ({ parts }: Result): string[] => parts.flatMap(part => 'text' in part ? [part.text] : [])

t.test('a text is generated token by token, followed by the finish reason', async t => {
  const result = await run(t)
  t.strictSame(result.parts, [...TOKENS.map(text => ({ text })), { finish: 'stop' }])
})

t.test('the first token has a delay of its own, and other delays vary around the pace', async t => {
  const { pauses: [first, ...pauses] } = await run(t)
  t.equal(first, 200)
  t.equal(pauses.length, TOKENS.length)
  t.ok(pauses.every(ms => ms >= 15 && ms < 45), String(pauses))
  t.ok(new Set(pauses).size > 5)
  t.strictSame((await run(t)).pauses, [first, ...pauses], 'the delays are reproducible')
})

t.test('without a pace, it only yields to the event loop', async t => {
  const { pauses } = await run(t, undefined, { pace: { firstToken: 0, token: 0 } })
  t.strictSame(pauses, Array.from({ length: TOKENS.length + 1 }, () => 0))
})

t.test('generation stops at the limit', async t => {
  t.strictSame((await run(t, undefined, { limit: 3 })).parts, [...TOKENS.slice(0, 3).map(text => ({ text })), { finish: 'length' }])
  t.strictSame((await run(t, undefined, { limit: 10 })).parts.at(-1), { finish: 'stop' })
})

t.test('/slow takes 300 ms per token', async t => {
  const result = await run(t, '/slow')
  t.strictSame(result.parts.at(-1), { finish: 'stop' })
  t.ok(result.pauses.slice(1).every(ms => ms >= 150 && ms < 450), String(result.pauses))
})

t.test('/truncate ends after a few tokens without a finish reason', async t => {
  t.strictSame((await run(t, '/truncate')).parts, TOKENS.slice(0, 8).map(text => ({ text })))
})

t.test('/fail fails after a few tokens', async t => {
  const result = await run(t, '/fail')
  t.strictSame(result.parts, TOKENS.slice(0, 8).map(text => ({ text })))
  t.ok(result.error instanceof MODEL_FAILED)
})

t.test('/stall pauses for ten minutes after a few tokens', async t => {
  const result = await run(t, '/stall')
  t.strictSame(result.parts, TOKENS.slice(0, 8).map(text => ({ text })))
  t.equal(result.pauses.at(-1), 600_000)
})

t.test('/nothing pauses for ten minutes before the first token', async t => {
  const result = await run(t, '/nothing')
  t.strictSame(result.parts, [])
  t.equal(result.pauses.at(-1), 600_000)
})

t.test('/cut cuts the connection shortly after a few tokens', async t => {
  const result = await run(t, '/cut')
  t.strictSame(textsOf(result), TOKENS.slice(0, 8))
  t.equal(result.cutAfter, 8)
  t.strictSame(result.pauses.slice(-2), [50, 600_000])
})

t.test('a fault also occurs in an answer that is shorter', async t => {
  for (const options of [{ text: 'one two' }, { limit: 2 }]) {
    const result = await run(t, '/fail', options)
    t.strictSame(textsOf(result), ['one', ' two'])
    t.ok(result.error instanceof MODEL_FAILED)
  }
})

t.test('the signal aborts generation at any point', async t => {
  const rows: Array<[when: string, options: Partial<GenerationOptions>, count: number]> = [
    ['before the first token', { pace: { firstToken: 60_000, token: 0 } }, 0],
    ['between two tokens', { pace: { firstToken: 0, token: 60_000 } }, 0],
    ['without a pace', {}, 2],
    ['during /stall', { fault: '/stall' }, 8],
    ['during /nothing', { fault: '/nothing' }, 0]
  ]
  for (const [when, options, count] of rows) {
    const controller = new AbortController()
    const generation = generate({ text: TEXT, limit: 100, pace: { firstToken: 0, token: 0 }, fault: undefined, random: new SeededRandom('a'), signal: controller.signal, cut: () => {}, ...options })
    for (let index = 0; index < count; index++) await generation.next()
    const next = generation.next()
    controller.abort()
    await t.rejects(next, { name: 'AbortError' }, when)
    t.strictSame(await generation.next(), { done: true, value: undefined }, when)
  }
})
