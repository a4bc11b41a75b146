import type { FastifyBaseLogger } from 'fastify'
import { runEnded, runStarted, type SseDiagnostics } from '../base/diagnostics.ts'
import { writeLog } from '../base/logging.ts'
import type { SseEntry } from '../wire/entry.ts'

// What runs report in the log and through diagnostics channels.

type RunEnded = SseDiagnostics['fastify-sse-emitter:run:end']

/** What the message about the end of a run contains besides its terminal event. */
type RunTotals = Pick<RunEnded, 'events' | 'duration'>

type RunIdentity = Pick<RunEnded, 'id' | 'owner'>

export function reportStart ({ id, owner }: RunIdentity): void {
  if (runStarted.hasSubscribers) runStarted.publish({ id, owner })
}

export function reportEnd ({ id, owner }: RunIdentity, totals: RunTotals, { event, data }: SseEntry): void {
  if (runEnded.hasSubscribers) runEnded.publish({ id, owner, ...totals, state: event as RunEnded['state'], data: data! })
}

/** Reports a run that this process has ended because the process that produced it was lost. */
export function reportLost (log: FastifyBaseLogger, run: RunIdentity, end: SseEntry): void {
  writeLog(log, 'error', { run: run.id, owner: run.owner }, 'run failed because the process that produced it was lost')
  reportEnd(run, { events: undefined, duration: undefined }, end)
}
