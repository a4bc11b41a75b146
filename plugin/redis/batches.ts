/** Channels named in one command. */
export const CHANNELS_PER_COMMAND = 512

/** Divides items into batches of at most `size`. */
export function inBatches<Item> (items: readonly Item[], size: number): Item[][] {
  const batches: Item[][] = []
  for (let from = 0; from < items.length; from += size) batches.push(items.slice(from, from + size))
  return batches
}
