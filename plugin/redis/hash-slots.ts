/** The slots of every Redis Cluster. */
const SLOTS = 16_384

/** What a byte adds to a CRC16 (XMODEM), by which Redis Cluster places keys. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

function crc16 (text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) crc = ((crc << 8) & 0xFFFF) ^ TABLE[(crc >> 8) ^ byte]!
  return crc
}

/** Where Redis Cluster places what has this hash tag. */
export function slotOf (tag: string): number {
  return crc16(tag) % SLOTS
}

/**
 * The hash tags of so many partitions, always the same. The slot of each is in the middle of its part of all slots: where
 * so many primaries have divided the slots among them as Redis does it, each has one partition; where there are half as
 * many, two.
 */
export function tagsOf (partitions: number): string[] {
  const wanted = new Map(Array.from({ length: partitions }, (_, number) => [Math.floor((number + 0.5) * SLOTS / partitions), number]))
  const tags: string[] = []
  for (let tag = 0; wanted.size > 0; tag++) {
    const slot = slotOf(`${tag}`)
    const number = wanted.get(slot)
    if (number === undefined) continue
    tags[number] = `${tag}`
    wanted.delete(slot)
  }
  return tags
}

/**
 * Of which partition a channel is: by what is between the first brace in its name and the next that closes, as Redis
 * Cluster has it; by the whole name where that is nothing.
 */
export function partitionOf (channel: string, partitions: number): number {
  const open = channel.indexOf('{')
  const close = channel.indexOf('}', open)
  return crc16(open !== -1 && close > open + 1 ? channel.slice(open + 1, close) : channel) % partitions
}
