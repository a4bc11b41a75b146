import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MODEL_FAILED } from '../../../server/model/openai-errors.ts'
import type { Fault } from '../../../server/model/faults.ts'
import { generate, type Generation, type Piece } from '../../../server/model/generation.ts'
import { SeededRandom } from '../../../server/seeded-random.ts'

const TEXT = 'one two three four five six seven eight nine ten'
const TOKENS = TEXT.match(/ ?\w+/g)!

interface Said {
  pieces: Piece[]
  /** Milliseconds that it has slept, each time. */
  sleeps: number[]
  /** Pieces that were there when it cut the connection. */
  cutAfter: number | undefined
  error: unknown
}

/** Lets a generation run to its end, in no time. */
async function say (t: Test, fault?: Fault, options: Partial<Generation> = {}): Promise<Said> {
  const said: Said = { pieces: [], sleeps: [], cutAfter: undefined, error: undefined }
  const restore = t.intercept(timers, 'setTimeout', { value: async (ms: number) => { said.sleeps.push(ms) } }).restore
  const restoreTurns = t.intercept(timers, 'setImmediate', { value: async () => { said.sleeps.push(0) } }).restore
  syncBuiltinESMExports()
  const generation = generate({
    text: TEXT,
    limit: 100,
    pace: { firstToken: 200, token: 30 },
    fault,
    random: new SeededRandom('a'),
    signal: new AbortController().signal,
    cut: () => { said.cutAfter = said.pieces.length },
    ...options
  })
  try {
    for await (const piece of generation) said.pieces.push(piece)
  } catch (error) {
    said.error = error
  } finally {
    restore()
    restoreTurns()
    syncBuiltinESMExports()
  }
  return said
}

const words = ({ pieces }: Said): string[] => pieces.flatMap(piece => 'text' in piece ? [piece.text] : [])

t.test('a text is said token by token, and then that it is all', async t => {
  const said = await say(t)
  t.strictSame(said.pieces, [...TOKENS.map(text => ({ text })), { finish: 'stop' }])
})

t.test('the first token takes longer, and all take more or less as long', async t => {
  const { sleeps: [first, ...sleeps] } = await say(t)
  t.equal(first, 200)
  t.equal(sleeps.length, TOKENS.length)
  t.ok(sleeps.every(ms => ms >= 15 && ms < 45), String(sleeps))
  t.ok(new Set(sleeps).size > 5)
  t.strictSame((await say(t)).sleeps, [first, ...sleeps], 'the same each time')
})

t.test('without a pace, it only gives way to others', async t => {
  const { sleeps } = await say(t, undefined, { pace: { firstToken: 0, token: 0 } })
  t.strictSame(sleeps, Array.from({ length: TOKENS.length + 1 }, () => 0))
})

t.test('it says no more than it may', async t => {
  t.strictSame((await say(t, undefined, { limit: 3 })).pieces, [...TOKENS.slice(0, 3).map(text => ({ text })), { finish: 'length' }])
  t.strictSame((await say(t, undefined, { limit: 10 })).pieces.at(-1), { finish: 'stop' })
})

t.test('/slow takes 300 ms for each token', async t => {
  const said = await say(t, '/slow')
  t.strictSame(said.pieces.at(-1), { finish: 'stop' })
  t.ok(said.sleeps.slice(1).every(ms => ms >= 150 && ms < 450), String(said.sleeps))
})

t.test('/truncate ends after a few tokens, without saying that it is all', async t => {
  t.strictSame((await say(t, '/truncate')).pieces, TOKENS.slice(0, 8).map(text => ({ text })))
})

t.test('/fail fails after a few tokens', async t => {
  const said = await say(t, '/fail')
  t.strictSame(said.pieces, TOKENS.slice(0, 8).map(text => ({ text })))
  t.ok(said.error instanceof MODEL_FAILED)
})

t.test('/stall falls silent after a few tokens, for ten minutes', async t => {
  const said = await say(t, '/stall')
  t.strictSame(said.pieces, TOKENS.slice(0, 8).map(text => ({ text })))
  t.equal(said.sleeps.at(-1), 600_000)
})

t.test('/nothing is silent from the beginning', async t => {
  const said = await say(t, '/nothing')
  t.strictSame(said.pieces, [])
  t.equal(said.sleeps.at(-1), 600_000)
})

t.test('/cut cuts the connection after a few tokens, once they can have left', async t => {
  const said = await say(t, '/cut')
  t.strictSame(words(said), TOKENS.slice(0, 8))
  t.equal(said.cutAfter, 8)
  t.strictSame(said.sleeps.slice(-2), [50, 600_000])
})

t.test('what shall go wrong does so in a shorter answer, too', async t => {
  for (const options of [{ text: 'one two' }, { limit: 2 }]) {
    const said = await say(t, '/fail', options)
    t.strictSame(words(said), ['one', ' two'])
    t.ok(said.error instanceof MODEL_FAILED)
  }
})

t.test('the signal ends it, whatever it is doing', async t => {
  const rows: Array<[what: string, options: Partial<Generation>, count: number]> = [
    ['before the first token', { pace: { firstToken: 60_000, token: 0 } }, 0],
    ['between two', { pace: { firstToken: 0, token: 60_000 } }, 0],
    ['without a pace', {}, 2],
    ['stalled', { fault: '/stall' }, 8],
    ['silent', { fault: '/nothing' }, 0]
  ]
  for (const [what, options, count] of rows) {
    const gone = new AbortController()
    const generation = generate({ text: TEXT, limit: 100, pace: { firstToken: 0, token: 0 }, fault: undefined, random: new SeededRandom('a'), signal: gone.signal, cut: () => {}, ...options })
    for (let index = 0; index < count; index++) await generation.next()
    const next = generation.next()
    gone.abort()
    await t.rejects(next, { name: 'AbortError' }, what)
    t.strictSame(await generation.next(), { done: true, value: undefined }, what)
  }
})
