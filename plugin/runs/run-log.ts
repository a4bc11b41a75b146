import type { SseBroker, SseHistory } from '../channels/broker.ts'
import { Deferred } from '../base/deferred.ts'
import type { SseEntry, SsePayload } from '../wire/entry.ts'
import { SSE_ERR_IDEMPOTENCY_KEY, SSE_ERR_RUN_ID } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'

/**
 * The log of a run is a channel of the broker. Its first entry is a comment, which clients ignore. The first event of the
 * type `done`, `failed` or `aborted` is the terminal event; entries after it are ignored.
 *
 * The first entry and the terminal event each have an idempotency key, so that the broker decides which process is first.
 */

/** How a run ended. */
export type SseRunEnd = 'done' | 'failed' | 'aborted'

const END_TYPES: ReadonlySet<unknown> = new Set<SseRunEnd>(['done', 'failed', 'aborted'])

/** The comment of the first entry. The id of the producing process follows if the broker is shared. */
const START_COMMENT = 'run'

/** Keeps every entry. The limits of the run bound the size of its log. */
export const KEEP_ALL: SseHistory = { count: Number.MAX_SAFE_INTEGER, age: 0, bytes: Number.MAX_SAFE_INTEGER }

/** Entries per request to the broker. */
const PAGE_SIZE = 256

/** Returns the channel of a run. @throws SSE_ERR_RUN_ID */
export function runChannel (id: unknown): string {
  // eslint-disable-next-line no-control-regex -- finding control characters is the point
  if (typeof id === 'string' && /^[^\0-\x1f\x7f]{1,200}$/.test(id)) return `run:${id}`
  throw new SSE_ERR_RUN_ID(describe(id))
}

/** Whether this is the type of a terminal event. */
export function isEndType (type: unknown): type is SseRunEnd {
  return END_TYPES.has(type)
}

/** Whether this entry is a terminal event. */
export function isEnd ({ event }: SseEntry): boolean {
  return isEndType(event)
}

/**
 * The result of starting a log: it was started, it exists already, or it existed a short time ago and its entries have
 * been deleted.
 */
export type LogStart = 'started' | 'exists' | 'deleted'

/** @param processId the process that produces the run, if other processes need to know */
export async function startLog (broker: SseBroker, channel: string, processId?: string): Promise<LogStart> {
  const exists = async (): Promise<boolean> => (await broker.replay(channel, undefined, 1)).entries.length > 0
  // The idempotency key alone is not enough, because a run can outlive it.
  if (await exists()) return 'exists'
  const comment = processId === undefined ? START_COMMENT : `${START_COMMENT} ${processId}`
  if (await publishOnce(broker, channel, { comment }, KEEP_ALL, 'begin')) return 'started'
  return await exists() ? 'exists' : 'deleted'
}

/** Returns whether this was the first publication with the key, even if an earlier one had a different payload. */
async function publishOnce (broker: SseBroker, channel: string, payload: SsePayload, history: SseHistory, idempotencyKey: string): Promise<boolean> {
  try {
    const { repeated } = await broker.publish(channel, payload, { history, idempotencyKey })
    return !repeated
  } catch (error) {
    if (error instanceof SSE_ERR_IDEMPOTENCY_KEY) return false
    throw error
  }
}

/**
 * Publishes the terminal event, unless the log has one.
 *
 * @param age milliseconds after which an entry of the log is deleted
 */
export async function endLog (broker: SseBroker, channel: string, event: SseRunEnd, data: string, age: number): Promise<void> {
  await publishOnce(broker, channel, { event, data }, { ...KEEP_ALL, age }, 'end')
}

export interface LogSummary {
  /** The process that produces the run; undefined if the broker is not shared. */
  readonly processId: string | undefined
  /** The terminal event; undefined while the run is in progress. */
  readonly end: SseEntry | undefined
}

/** Returns undefined if there is no log, or if its beginning has been deleted. */
export async function summarizeLog (broker: SseBroker, channel: string): Promise<LogSummary | undefined> {
  let after: string | undefined
  let processId: string | undefined
  for (;;) {
    const { entries, more } = await broker.replay(channel, after, PAGE_SIZE)
    if (after === undefined) {
      const [word, id] = entries[0]?.comment?.split(' ') ?? []
      if (word !== START_COMMENT) return undefined
      processId = id
    }
    const end = entries.find(isEnd)
    if (end !== undefined || !more) return { processId, end }
    after = entries.at(-1)!.id
  }
}

/**
 * Yields the entries of a log, and new entries as they are published. It never ends by itself.
 *
 * @param after the id of the entry before the first one to yield; `undefined` starts at the beginning
 * @throws the signal's reason when the signal is aborted
 */
export async function * readLog (broker: SseBroker, channel: string, after: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<SseEntry, void, undefined> {
  let published = new Deferred<void>()
  const wake = (): void => published.resolve()
  signal?.throwIfAborted()
  const subscription = await broker.subscribe(channel, { onEntry: wake, onBreak: wake })
  signal?.addEventListener('abort', wake)
  try {
    for (;;) {
      // Before reading, so that an entry published during the read is never missed.
      published = new Deferred()
      const { entries, more } = await broker.replay(channel, after, PAGE_SIZE)
      for (const entry of entries) {
        signal?.throwIfAborted()
        yield entry
        after = entry.id
      }
      signal?.throwIfAborted()
      if (!more) await published.promise
    }
  } finally {
    signal?.removeEventListener('abort', wake)
    subscription.unsubscribe()
  }
}
