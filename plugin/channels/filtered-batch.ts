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
  const entries = subscriptions.flatMap(subscription => subscription.channel.batch!.entries.map(entry => ({ entry, subscription })))
  if (subscriptions.length > 1) entries.sort(compareEntries)
  const isLast = entries.some(({ entry, subscription }) => {
    if (!subscription.wants(entry)) return false
    wanted.push(entry)
    return subscription.endsAfter(entry)
  })
  // If the whole batch of one channel is wanted, its text is shared with other subscribers.
  if (subscriptions.length === 1 && wanted.length === entries.length) return { batch: subscriptions[0]!.channel.batch, isLast }
  return { batch: wanted.length === 0 ? undefined : new Batch(wanted), isLast }
}
