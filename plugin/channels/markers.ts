import { encode } from '../wire/event.ts'
import { compareIds, epochOf, idBeforeAll, laterId } from '../wire/event-id.ts'
import type { ChannelPage, HistorySlice } from './history-reader.ts'

/**
 * Markers are the events `sse-ready`, `sse-gap` and `sse-reset`. They tell a client whether it has missed events, and their
 * id is its position, from which it resumes if it reconnects before it has received any other event.
 */

/** Events of a channel that a client has missed: those after `from`, up to and including `to`. */
export interface Gap {
  readonly channel: string
  readonly from: string
  readonly to: string
}

/** What a client has missed. */
export interface Losses {
  /** Whether the client's id is not from this log. Then it is unknown what the client has missed. */
  readonly reset: boolean
  readonly gaps: readonly Gap[]
  /** The channels in which it has missed events, or may have. */
  readonly channels: readonly string[]
}

export const NO_LOSSES: Losses = { reset: false, gaps: [], channels: [] }

/** Returns what a client at an id has missed, according to the pages that follow it. */
export function lossesAfter (id: string | undefined, allPages: readonly ChannelPage[]): Losses {
  // A subscription may have ended while its page was read.
  const pages = allPages.filter(({ subscription }) => !subscription.ended)
  const reset = pages.some(({ page }) => !page.known)
  const gaps = pages.flatMap(({ subscription, page: { known, lost, damaged } }) => {
    if (!known || lost === undefined) return []
    // A client without an id starts at the beginning. It does not expect entries that the limits have removed.
    if (id === undefined && damaged !== true) return []
    return [{ channel: subscription.channel.name, from: id ?? idBeforeAll(epochOf(lost)!), to: lost }]
  })
  const channels = reset ? pages.map(({ subscription }) => subscription.channel.name) : gaps.map(({ channel }) => channel)
  return { reset, gaps, channels }
}

/**
 * Returns the id of the marker that precedes a slice of history: the latest id before its first entry. A client that
 * reconnects with this id misses no more than the marker reports.
 *
 * @param id where the client was; undefined for the beginning of the history
 * @param reset whether that id is not from this log
 */
export function markerId (id: string | undefined, reset: boolean, { pages, entries: [first], completeUpTo }: HistorySlice): string {
  if (first === undefined) return completeUpTo
  const start = reset || id === undefined ? idBeforeAll(epochOf(completeUpTo)!) : id
  return pages.flatMap(({ page: { lost } }) => lost !== undefined && compareIds(lost, first.entry.id) < 0 ? [lost] : []).reduce(laterId, start)
}

/** Encodes a marker. */
export function encodeMarker ({ reset, gaps }: Losses, id: string, spaceAfterColon: boolean): string {
  if (reset) return encode('{}', { event: 'sse-reset', id }, spaceAfterColon)
  if (gaps.length > 0) return encode(JSON.stringify({ gaps }), { event: 'sse-gap', id }, spaceAfterColon)
  return encode('{}', { event: 'sse-ready', id }, spaceAfterColon)
}
