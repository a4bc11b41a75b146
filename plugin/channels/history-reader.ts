import type { SseEntry } from '../wire/entry.ts'
import { compareIds, earlierId } from '../wire/event-id.ts'
import type { SsePage } from './broker.ts'
import { compareEntries, type SubscribedEntry, type Subscription } from './subscription.ts'

/** The maximum number of entries that are read from one channel at a time. */
const PAGE_SIZE = 256

/** A page of one channel's history. */
export interface ChannelPage {
  readonly subscription: Subscription
  readonly page: SsePage
}

/** A part of the common history of several channels. */
export interface HistorySlice {
  readonly pages: readonly ChannelPage[]
  /** In the order of their ids. */
  readonly entries: readonly SubscribedEntry[]
  /** No entry up to this id is missing in `entries`, unless the history has lost it. */
  readonly completeUpTo: string
  /** Whether there is more history after `completeUpTo`. */
  readonly more: boolean
}

/**
 * Reads the next page of each channel.
 *
 * @param after undefined for the beginning of the history
 * @param upTo an id up to which the last page must be complete
 */
export async function readPages (subscriptions: readonly Subscription[], after: string | undefined, upTo?: string): Promise<ChannelPage[]> {
  return await Promise.all(subscriptions.map(async subscription => ({ subscription, page: await subscription.channel.read(after, PAGE_SIZE, upTo) })))
}

/** Reads the next part of the common history of all channels. */
export async function readHistory (subscriptions: readonly Subscription[], after: string | undefined): Promise<HistorySlice> {
  const pages = await readPages(subscriptions, after)
  // A slice ends where the shortest page ends. If it went on, the client's last id could pass an entry that was not read
  // yet, and the client would never receive that entry.
  const completeUpTo = pages.map(({ page: { more, entries, clock } }) => more ? entries.at(-1)!.id : clock).reduce(earlierId)
  const all = pages.flatMap(({ subscription, page }) => page.entries.map(entry => ({ entry, subscription })))
  const entries = all.filter(({ entry }) => compareIds(entry.id, completeUpTo) <= 0)
  if (pages.length > 1) entries.sort(compareEntries)
  return { pages, entries, completeUpTo, more: entries.length < all.length || pages.some(({ page }) => page.more) }
}

/**
 * Reads the common history of all channels to its end, or to the entry that ends the stream. Returns only the latest wanted
 * entry of each channel and key.
 *
 * @throws the error of a filter or of `until`
 */
export async function readLatest (subscriptions: readonly Subscription[], after: string | undefined): Promise<HistorySlice> {
  const latest = new Map<string, SubscribedEntry>()
  const pages: ChannelPage[] = []
  let slice: HistorySlice
  let last: SseEntry | undefined
  do {
    slice = await readHistory(subscriptions, after)
    pages.push(...slice.pages)
    after = slice.completeUpTo
    last = addLatest(latest, slice.entries)
  } while (slice.more && last === undefined)
  // If its subscription is ended before it is sent, the entries after it are read next.
  return { ...slice, pages, entries: Array.from(latest.values()), completeUpTo: last?.id ?? after }
}

/** @returns the entry that ends the stream; later ones are ignored */
function addLatest (latest: Map<string, SubscribedEntry>, entries: readonly SubscribedEntry[]): SseEntry | undefined {
  for (const subscribed of entries) {
    const { entry, subscription } = subscribed
    if (!subscription.wants(entry)) continue
    const key = `${entry.key ?? entry.event ?? ''}\n${subscription.channel.name}`
    // Deleted first, because a Map keeps the position of a key that is set again.
    latest.delete(key)
    latest.set(key, subscribed)
    if (subscription.endsAfter(entry)) return entry
  }
  return undefined
}
