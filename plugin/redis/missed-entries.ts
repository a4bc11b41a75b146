import type { SseEntry } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'
import { CHANNELS_PER_COMMAND, inBatches } from './batches.ts'
import { ConcurrencyLimiter } from './concurrency-limiter.ts'
import type { RedisLog } from './redis-log.ts'
import type { SubscribedChannel } from './subscribed-channel.ts'

/** The maximum number of entries read per channel, and of bytes read in total. A listener that missed more receives a break. */
const MAX_ENTRIES = 1_000
const MAX_BYTES = 16 * 1024 * 1024
/** The maximum number of histories that are read at the same time. */
const MAX_READS = 16

export interface MissedEntries {
  /** In the order of ids. */
  readonly entries: Array<{ readonly channel: SubscribedChannel, readonly entry: SseEntry }>
  /** Channels whose missed entries are unknown, or too many. */
  readonly broken: SubscribedChannel[]
}

/**
 * Reads the entries of channels that were published but not received.
 *
 * @param position everything up to this id was received, also of channels that Redis has forgotten since
 * @param until entries after this id are left out
 * @param mayRead if false, every channel that missed anything counts as broken
 */
export async function readMissedEntries (log: RedisLog, channels: SubscribedChannel[], position: string, until: string, mayRead: boolean): Promise<MissedEntries> {
  const missed: MissedEntries = { entries: [], broken: [] }
  const limiter = new ConcurrencyLimiter(MAX_READS, Infinity)
  let budget = mayRead ? MAX_BYTES : 0
  const behind = await channelsBehind(log, channels, position)
  await Promise.all(behind.map(channel => limiter.run(async () => {
    const page = budget > 0 ? await log.read(channel.name, channel.position, MAX_ENTRIES).catch(() => {}) : undefined
    for (const entry of page?.entries ?? []) budget -= entry.bytes
    if (page === undefined || !page.known || page.lost !== undefined || page.more || budget < 0) missed.broken.push(channel)
    else for (const entry of page.entries) if (compareIds(entry.id, until) <= 0) missed.entries.push({ channel, entry })
  })))
  missed.entries.sort((a, b) => compareIds(a.entry.id, b.entry.id))
  return missed
}

/** The channels that have entries later than those received. */
async function channelsBehind (log: RedisLog, channels: SubscribedChannel[], position: string): Promise<SubscribedChannel[]> {
  const behind: SubscribedChannel[] = []
  for (const batch of inBatches(channels, CHANNELS_PER_COMMAND)) {
    const { forgotten, lastIds } = await log.sync('', batch.map(({ name }) => name))
    behind.push(...batch.filter((channel, index) => {
      const lastId = lastIds[index]
      return lastId === undefined ? compareIds(forgotten, position) > 0 : compareIds(lastId, channel.position!) > 0
    }))
  }
  return behind
}
