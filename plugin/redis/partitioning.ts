import { crc16, hashSlot, SLOTS } from './hash-slots.ts'

/**
 * The hash tags of a number of partitions, always the same.
 *
 * The slots are divided into that many equal ranges, and each partition's slot is in the middle of its range. If as many
 * primaries share the slots evenly, each has one partition; half as many primaries have two each.
 */
export function partitionHashTags (partitions: number): string[] {
  const wanted = new Map(Array.from({ length: partitions }, (_, partition) => [Math.floor((partition + 0.5) * SLOTS / partitions), partition]))
  const hashTags: string[] = []
  for (let number = 0; wanted.size > 0; number++) {
    const hashTag = `${number}`
    const slot = hashSlot(hashTag)
    const partition = wanted.get(slot)
    if (partition === undefined) continue
    hashTags[partition] = hashTag
    wanted.delete(slot)
  }
  return hashTags
}

/**
 * The partition of a channel. As in Redis Cluster, only the part between the first opening brace of the name and the
 * next closing brace counts, or the whole name if there is no such part or it is empty.
 */
export function partitionOf (channel: string, partitions: number): number {
  const open = channel.indexOf('{')
  const close = channel.indexOf('}', open)
  const hashTag = open !== -1 && close > open + 1 ? channel.slice(open + 1, close) : channel
  return crc16(hashTag) % partitions
}
