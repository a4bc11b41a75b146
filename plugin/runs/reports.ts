import type { FastifyBaseLogger } from 'fastify'
import { runEnded, runStarted, type SseDiagnostics } from '../base/diagnostics.ts'
import { writeLog } from '../base/logging.ts'
import type { SseEntry } from '../wire/entry.ts'

// What runs report in the log and through diagnostics channels.

type RunEnded = SseDiagnostics['fastify-sse-emitter:run:end']

/** The message about the end of a run, apart from its terminal event. */
type RunTotals = Pick<RunEnded, 'id' | 'events' | 'duration'>

export function reportStart (id: string): void {
  if (runStarted.hasSubscribers) runStarted.publish({ id })
}

export function reportEnd (totals: RunTotals, { event, data }: SseEntry): void {
  if (runEnded.hasSubscribers) runEnded.publish({ ...totals, state: event as RunEnded['state'], data: data! })
}

/** Reports a run that this process has ended because the process that produced it was lost. */
export function reportLost (log: FastifyBaseLogger, id: string, end: SseEntry): void {
  writeLog(log, 'error', { run: id }, 'run failed because the process that produced it was lost')
  reportEnd({ id, events: undefined, duration: undefined }, end)
}
