import { inspect } from 'node:util'
import type { SseBroker, SseHistory } from '../channels/broker.ts'
import { Deferred } from '../base/deferred.ts'
import type { SseEntry, SsePayload } from '../wire/entry.ts'
import { SSE_ERR_IDEMPOTENCY_KEY, SSE_ERR_RUN_ID } from '../base/errors.ts'

/**
 * The log of a run: a channel of its own, which begins with an entry that no client notices, goes on with what the
 * producer yields, and is over with the first entry of one of three types. What may come after that is read by nobody.
 *
 * The broker settles who is first: both the beginning and the end are published under an idempotency key.
 */

/** How a run has ended. */
export type SseRunEnd = 'done' | 'failed' | 'aborted'

const ENDS: ReadonlySet<unknown> = new Set<SseRunEnd>(['done', 'failed', 'aborted'])
/** The comment of the first entry, with which the name of its process follows, where that can be lost. */
const BEGINNING = 'run'
/** All of a run is kept while it lasts. Its own limits bound it. */
export const WHOLE: SseHistory = { count: Number.MAX_SAFE_INTEGER, age: 0, bytes: Number.MAX_SAFE_INTEGER }
/** Entries that are read at once. */
const PAGE = 256

/** The channel of a run. @throws SSE_ERR_RUN_ID for what is no id */
export function runChannel (id: unknown): string {
  // eslint-disable-next-line no-control-regex -- finding control characters is the point
  if (typeof id === 'string' && /^[^\0-\x1f\x7f]{1,200}$/.test(id)) return `run:${id}`
  throw new SSE_ERR_RUN_ID(inspect(id, { depth: 0, maxStringLength: 80 }))
}

/** Whether an event of this type is the end of a run. */
export function isEndType (type: unknown): type is SseRunEnd {
  return ENDS.has(type)
}

/** Whether an entry is the end of its run. */
export function isEnd ({ event }: SseEntry): boolean {
  return isEndType(event)
}

/** What became of an attempt to begin a run: it begins, another one with its id was begun, or was and is forgotten. */
export type Beginning = 'begun' | 'exists' | 'forgotten'

/** @param process the name of the process that produces it, where another one may want to know */
export async function beginRun (broker: SseBroker, channel: string, process?: string): Promise<Beginning> {
  const exists = async (): Promise<boolean> => (await broker.replay(channel, undefined, 1)).entries.length > 0
  // The key is forgotten before a long run has ended.
  if (await exists()) return 'exists'
  const comment = process === undefined ? BEGINNING : `${BEGINNING} ${process}`
  if (await publishOnce(broker, channel, { comment }, WHOLE, 'begin')) return 'begun'
  return await exists() ? 'exists' : 'forgotten'
}

/** @returns whether it is the first with its key, whatever others have published under that */
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
 * Ends a run, unless it has ended.
 *
 * @param age milliseconds since an event of it was published, after which that is forgotten
 */
export async function endRun (broker: SseBroker, channel: string, event: SseRunEnd, data: string, age: number): Promise<void> {
  await publishOnce(broker, channel, { event, data }, { ...WHOLE, age }, 'end')
}

/** The state of a log. */
export interface RunState {
  /** The name of the process that produces it, if that may be lost. */
  readonly process: string | undefined
  readonly end: SseEntry | undefined
}

/** @returns undefined where there is no run, or not all of it any more */
export async function inspectRun (broker: SseBroker, channel: string): Promise<RunState | undefined> {
  let after: string | undefined
  let process: string | undefined
  for (;;) {
    const { entries, more } = await broker.replay(channel, after, PAGE)
    if (after === undefined) {
      const [word, name] = entries[0]?.comment?.split(' ') ?? []
      if (word !== BEGINNING) return undefined
      process = name
    }
    const end = entries.find(isEnd)
    if (end !== undefined || !more) return { process, end }
    after = entries.at(-1)!.id
  }
}

/**
 * Reads a log from after an id, or from its beginning, and goes on with what is published until it is left, or `signal`
 * is aborted.
 *
 * @throws the signal's reason
 */
export async function * readLog (broker: SseBroker, channel: string, after: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<SseEntry, void, undefined> {
  let news = new Deferred<void>()
  const wake = (): void => news.resolve()
  signal?.throwIfAborted()
  const subscription = await broker.subscribe(channel, { onEntry: wake, onBreak: wake })
  signal?.addEventListener('abort', wake)
  try {
    for (;;) {
      // From here on whatever comes is news, also where the page below has it already.
      news = new Deferred()
      const { entries, more } = await broker.replay(channel, after, PAGE)
      for (const entry of entries) {
        signal?.throwIfAborted()
        yield entry
        after = entry.id
      }
      signal?.throwIfAborted()
      if (!more) await news.promise
    }
  } finally {
    signal?.removeEventListener('abort', wake)
    subscription.unsubscribe()
  }
}
