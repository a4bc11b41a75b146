/** The number of hash slots in every Redis Cluster. */
export const SLOTS = 16_384

/** The remainders of CRC16 (XMODEM) for each byte. */
const CRC16_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

/** The checksum by which Redis Cluster distributes keys. */
export function crc16 (text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) crc = ((crc << 8) & 0xFFFF) ^ CRC16_TABLE[(crc >> 8) ^ byte]!
  return crc
}

/** The hash slot of all keys with a hash tag. */
export function hashSlot (hashTag: string): number {
  return crc16(hashTag) % SLOTS
}
