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
 * @throws the error of a filter or of `until`
 */
export function filterBatches (subscriptions: readonly Subscription[]): FilteredBatch {
  const entries = subscriptions.flatMap(subscription => subscription.channel.batch!.entries.map(entry => ({ entry, subscription })))
  const wanted = entries.filter(({ entry, subscription }) => subscription.wants(entry)).sort(compareEntries)
  const last = wanted.findIndex(({ entry, subscription }) => subscription.endsAfter(entry))
  if (last !== -1) wanted.length = last + 1
  const isLast = last !== -1
  // If the whole batch of one channel is wanted, its text is shared with other subscribers.
  if (subscriptions.length === 1 && wanted.length === entries.length) return { batch: subscriptions[0]!.channel.batch, isLast }
  return { batch: wanted.length === 0 ? undefined : new Batch(wanted.map(({ entry }) => entry)), isLast }
}
