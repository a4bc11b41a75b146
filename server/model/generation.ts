import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { MODEL_FAILED } from './openai-errors.ts'
import type { Fault } from './faults.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { tokens } from './tokens.ts'

/** A token, or why there are no more. A generation without the latter has broken off. */
export type Piece = { readonly text: string } | { readonly finish: 'stop' | 'length' }

/** How fast the model speaks, in milliseconds; 0 for as fast as it can. */
export interface Pace {
  /** Before the first token. */
  readonly firstToken: number
  /** Before each token, on average; it is from half to one and a half of it. */
  readonly token: number
}

export interface Generation {
  readonly text: string
  /** Tokens after which it ends. */
  readonly limit: number
  readonly pace: Pace
  readonly fault: Fault | undefined
  readonly random: SeededRandom
  /** Ends it, whatever it is doing: the iteration rejects. */
  readonly signal: AbortSignal
  /** Cuts the connection. */
  readonly cut: () => void
}

/** The pace of `/slow`. */
const SLOW = 300
/** After how many tokens it breaks off that shall. */
const BREAKS: Partial<Record<Fault, number>> = { '/nothing': 0, '/stall': 8, '/fail': 8, '/cut': 8, '/truncate': 8 }
/** Milliseconds in which what was said before a cut can leave. */
const LEAVE = 50
/** Milliseconds of silence after which even a stalled model breaks off. */
const STALL = 10 * 60 * 1_000

/**
 * Says a text token by token, and does wrong what it is asked to.
 *
 * @throws MODEL_FAILED for `/fail`
 */
export async function * generate ({ text, limit, pace, fault, random, signal, cut }: Generation): AsyncGenerator<Piece, void, undefined> {
  const interval = fault === '/slow' ? SLOW : pace.token
  const breaksAfter = fault && BREAKS[fault]
  const most = Math.min(limit, breaksAfter ?? limit)
  let count = 0
  let finish: 'stop' | 'length' = 'stop'
  await pause(pace.firstToken, signal)
  for (const token of tokens(text)) {
    if (count === most) {
      finish = 'length'
      break
    }
    await pause(interval * (0.5 + random.next()), signal)
    yield { text: token }
    count++
  }
  if (breaksAfter === undefined) yield { finish }
  else await breakOff(fault!, signal, cut)
}

async function breakOff (fault: Fault, signal: AbortSignal, cut: () => void): Promise<void> {
  if (fault === '/truncate') return
  if (fault === '/fail') throw new MODEL_FAILED()
  if (fault === '/cut') {
    await sleep(LEAVE, undefined, { signal })
    cut()
  }
  await sleep(STALL, undefined, { signal })
}

/** Gives way to others at least, so that who leaves is noticed. */
async function pause (ms: number, signal: AbortSignal): Promise<void> {
  await (ms === 0 ? nextTurn(undefined, { signal }) : sleep(ms, undefined, { signal }))
}
