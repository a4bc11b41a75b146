import { hash } from 'node:crypto'
import type { SseBroker, SseHistory, SsePage } from '../channels/broker.ts'
import { Deferred } from '../base/deferred.ts'
import { SseEntry, type SsePayload } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'
import { SSE_ERR_RUN_FORGOTTEN, SSE_ERR_RUN_ID } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'

/**
 * The log of a run is a channel of the broker. Its first entry, the beginning, is a comment, which clients ignore. The first
 * event of the type `done`, `failed` or `aborted` is the terminal event.
 *
 * The beginning and the terminal event each have an idempotency key, so that the broker decides which process is first. The
 * key of the terminal event contains the run's generation, because the id of a run can be used again.
 */

/** How a run ended. */
export type SseRunEnd = 'done' | 'failed' | 'aborted'

const END_TYPES: ReadonlySet<unknown> = new Set<SseRunEnd>(['done', 'failed', 'aborted'])

/** The first word of a beginning. */
const BEGINNING = 'run'

/** Keeps every entry. The limits of the run bound the size of its log. */
export const KEEP_ALL: SseHistory = { count: Number.MAX_SAFE_INTEGER, age: 0, bytes: Number.MAX_SAFE_INTEGER }

/** Entries per request to the broker. */
export const PAGE_SIZE = 256

/**
 * Returns the channel of a run. Each owner has ids of their own, so that neither their runs nor their ids can be found without
 * the owner. The owner is hashed, because `sse-gap` names the channel to clients.
 *
 * @throws SSE_ERR_RUN_ID
 */
export function runChannel (id: unknown, owner: string | undefined): string {
  // eslint-disable-next-line no-control-regex -- finding control characters is the point
  if (typeof id !== 'string' || !/^[^\0-\x1f\x7f]{1,200}$/.test(id)) throw new SSE_ERR_RUN_ID(`received ${describe(id)}`)
  return owner === undefined ? `run:${id}` : `run@${hash('sha256', Buffer.from(owner, 'utf16le'), 'base64url')}:${id}`
}

/** Whether this is the type of a terminal event. */
export function isEndType (type: unknown): type is SseRunEnd {
  return END_TYPES.has(type)
}

/** Whether this entry is a terminal event. */
export function isEnd ({ event }: { readonly event: string | undefined }): boolean {
  return isEndType(event)
}

/** The idempotency key of the beginning. */
export const BEGIN_KEY = 'begin'

/** The idempotency key of the terminal event. */
export function endKey (generation: string): string {
  return `end ${generation}`
}

interface TerminalEvent {
  readonly generation: string
  readonly payload: SsePayload
  /** Milliseconds after which an entry of the log is deleted. */
  readonly age: number
  readonly expectedLastId?: string | undefined
}

/** The terminal event of a log, and whether the log had it before. */
export interface PublishedEnd {
  readonly end: SseEntry
  readonly repeated: boolean
}

/** Publishes the terminal event, of which a run has only one. @throws SSE_ERR_IDEMPOTENCY_KEY if the log has another one */
export async function publishEnd (broker: SseBroker, channel: string, { generation, payload, age, expectedLastId }: TerminalEvent): Promise<PublishedEnd> {
  const { id, repeated } = await broker.publish(channel, payload, { history: { ...KEEP_ALL, age }, idempotencyKey: endKey(generation), expectedLastId })
  return { end: new SseEntry(id, payload), repeated }
}

/** What the first entry of a log contains. */
export interface RunBeginning {
  /** Distinguishes the run from earlier and later ones with the same id. */
  readonly generation: string
  /** The option `retention`, for processes that end the run and don't know its options. */
  readonly retention: number
  /** The process that produces the run; undefined if the broker is not shared. */
  readonly processId: string | undefined
}

export function stringifyBeginning ({ generation, retention, processId = '' }: RunBeginning): string {
  return `${BEGINNING} ${generation} ${retention} ${processId}`.trimEnd()
}

function parseBeginning ({ data, event, comment = '' }: SseEntry): RunBeginning | undefined {
  const [word, generation, retention, processId] = comment.split(' ')
  if (data !== undefined || event !== undefined || word !== BEGINNING) return undefined
  return { generation: generation!, retention: Number(retention), processId }
}

/** Whether this is the first entry of a log. It is deleted before the others. */
export function isBeginning (entry: SseEntry): boolean {
  return parseBeginning(entry) !== undefined
}

/** The generation of the run that an entry begins; undefined if it is not a beginning. */
export function generationOf (entry: SseEntry): string | undefined {
  return parseBeginning(entry)?.generation
}

export interface LogSummary extends RunBeginning {
  readonly beginId: string
  /** The terminal event; undefined while the run is in progress. */
  readonly end: SseEntry | undefined
  /** The last id of the broker, in any channel. */
  readonly clock: string
}

/** Returns undefined if there is no log, or if its beginning has been deleted. */
export async function summarizeLog (broker: SseBroker, channel: string): Promise<LogSummary | undefined> {
  let page = await broker.replay(channel, undefined, PAGE_SIZE)
  const [first] = page.entries
  const beginning = first && parseBeginning(first)
  if (beginning === undefined) return undefined
  for (;;) {
    const { entries, more, clock } = page
    const end = entries.find(isEnd)
    if (end !== undefined || !more) return { ...beginning, beginId: first!.id, end, clock }
    page = await broker.replay(channel, entries.at(-1)!.id, PAGE_SIZE)
    // Another log has taken its place.
    if (!page.known) return await summarizeLog(broker, channel)
  }
}

export interface LogReading {
  /** The id of the entry before the first one to yield; `undefined` starts at the beginning. */
  readonly after?: string | undefined
  /** Aborts the reading. */
  readonly signal?: AbortSignal | undefined
  /** Ends the reading when it is aborted. */
  readonly leaving?: AbortSignal | undefined
}

/**
 * Yields the entries of a log, and new entries as they are published, up to the terminal event.
 *
 * @throws the signal's reason when `signal` is aborted; SSE_ERR_RUN_FORGOTTEN if the log has been deleted
 */
export async function * readLog (broker: SseBroker, channel: string, { after, signal, leaving }: LogReading): AsyncGenerator<SseEntry, void, undefined> {
  let published = new Deferred<void>()
  const wake = (): void => published.resolve()
  signal?.throwIfAborted()
  const subscription = await broker.subscribe(channel, { onEntry: wake, onBreak: wake })
  signal?.addEventListener('abort', wake)
  leaving?.addEventListener('abort', wake)
  let last: string | undefined
  try {
    for (;;) {
      // Before reading, so that an entry published during the read is never missed.
      published = new Deferred()
      const page: SsePage = await broker.replay(channel, last ?? after, PAGE_SIZE)
      for (const entry of page.entries) {
        signal?.throwIfAborted()
        // A log of another epoch may contain what was read before.
        if (last !== undefined && compareIds(entry.id, last) <= 0) continue
        last = entry.id
        yield entry
        if (isEnd(entry)) return
      }
      signal?.throwIfAborted()
      if (leaving?.aborted === true || (last === undefined && await isComplete(broker, channel, after))) return
      if (!page.more) await published.promise
    }
  } finally {
    signal?.removeEventListener('abort', wake)
    leaving?.removeEventListener('abort', wake)
    subscription.unsubscribe()
  }
}

/** Whether nothing follows an id. @throws SSE_ERR_RUN_FORGOTTEN if there is no log */
async function isComplete (broker: SseBroker, channel: string, after: string | undefined): Promise<boolean> {
  const log = await summarizeLog(broker, channel)
  if (log === undefined) throw new SSE_ERR_RUN_FORGOTTEN()
  return log.end !== undefined && after !== undefined && compareIds(after, log.end.id) >= 0
}
