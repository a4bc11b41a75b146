import type { SseEntry } from '../wire/entry.ts'
import { Batch } from './batch.ts'
import { compareEntries, type Subscription } from './subscription.ts'

/** The entries of all delivered batches that a subscriber wants. */
export interface FilteredBatch {
  /** undefined if no entry is wanted. */
  readonly batch: Batch | undefined
  /** Whether the stream ends after this batch. */
  readonly isLast: boolean
}

/**
 * Merges the batches of several channels in the order of ids, without unwanted entries.
 *
 * @param subscriptions their channels have a batch
 * @param wanted the wanted entries are added to it. The caller may remove them while this function calls a callback
 * @throws the error of a filter or of `until`
 */
export function filterBatches (subscriptions: readonly Subscription[], wanted: SseEntry[] = []): FilteredBatch {
  const [first] = subscriptions
  if (subscriptions.length === 1) return filterBatch(first!, wanted)
  const entries = subscriptions.flatMap(subscription => subscription.channel.batch!.entries.map(entry => ({ entry, subscription })))
  const isLast = entries.sort(compareEntries).some(({ entry, subscription }) => select(entry, subscription, wanted))
  return { batch: wanted.length === 0 ? undefined : new Batch(wanted), isLast }
}

function filterBatch (subscription: Subscription, wanted: SseEntry[]): FilteredBatch {
  const batch = subscription.channel.batch!
  let isLast = false
  for (const entry of batch.entries) {
    isLast = select(entry, subscription, wanted)
    if (isLast) break
  }
  // If the whole batch is wanted, its text is shared with other subscribers.
  if (wanted.length === batch.entries.length) return { batch, isLast }
  return { batch: wanted.length === 0 ? undefined : new Batch(wanted), isLast }
}

/** Adds an entry if it is wanted. @returns whether the stream ends after it */
function select (entry: SseEntry, subscription: Subscription, wanted: SseEntry[]): boolean {
  if (!subscription.wants(entry)) return false
  wanted.push(entry)
  return subscription.endsAfter(entry)
}
