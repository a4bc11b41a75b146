import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { SeededRandom } from '../seeded-random.ts'
import type { Fault } from './faults.ts'
import { MODEL_FAILED } from './openai-errors.ts'
import { tokens } from './tokens.ts'

/** A token, or the reason why generation finished. A generation that is cut short has no finish reason. */
export type GenerationPart = { readonly text: string } | { readonly finish: 'stop' | 'length' }

/** Delays in milliseconds; 0 for none. */
export interface Pace {
  /** Before the first token. */
  readonly firstToken: number
  /** Before each token on average; the actual delay is between half and one and a half times as long. */
  readonly token: number
}

export interface GenerationOptions {
  readonly text: string
  /** Maximum number of tokens. */
  readonly limit: number
  readonly pace: Pace
  readonly fault: Fault | undefined
  readonly random: SeededRandom
  /** Aborts the generation at any point: the iteration rejects. */
  readonly signal: AbortSignal
  /** Cuts the client's connection. */
  readonly cut: () => void
}

/** Milliseconds per token with `/slow`. */
const SLOW_PACE = 300
/** Tokens before a fault takes effect. */
const TOKENS_BEFORE_FAULT: Partial<Record<Fault, number>> = { '/nothing': 0, '/stall': 8, '/fail': 8, '/cut': 8, '/truncate': 8 }
/** Milliseconds before a cut, in which earlier tokens reach the client. */
const CUT_DELAY = 50
/** Milliseconds after which a stalled generation ends. */
const STALL_DURATION = 10 * 60 * 1_000

/**
 * Generates a text token by token, with the requested fault.
 *
 * @throws MODEL_FAILED for `/fail`
 */
export async function * generate ({ text, limit, pace, fault, random, signal, cut }: GenerationOptions): AsyncGenerator<GenerationPart, void, undefined> {
  const interval = fault === '/slow' ? SLOW_PACE : pace.token
  const faultAfter = fault && TOKENS_BEFORE_FAULT[fault]
  const maxTokens = Math.min(limit, faultAfter ?? limit)
  let count = 0
  let finish: 'stop' | 'length' = 'stop'
  await pause(pace.firstToken, signal)
  for (const token of tokens(text)) {
    if (count === maxTokens) {
      finish = 'length'
      break
    }
    await pause(interval * (0.5 + random.next()), signal)
    yield { text: token }
    count++
  }
  if (faultAfter === undefined) yield { finish }
  else await causeFault(fault!, signal, cut)
}

async function causeFault (fault: Fault, signal: AbortSignal, cut: () => void): Promise<void> {
  if (fault === '/truncate') return
  if (fault === '/fail') throw new MODEL_FAILED()
  if (fault === '/cut') {
    await sleep(CUT_DELAY, undefined, { signal })
    cut()
  }
  await sleep(STALL_DURATION, undefined, { signal })
}

/** Yields to the event loop even if there is no delay; otherwise a disconnect would go unnoticed until the end. */
async function pause (ms: number, signal: AbortSignal): Promise<void> {
  await (ms === 0 ? nextTurn(undefined, { signal }) : sleep(ms, undefined, { signal }))
}
