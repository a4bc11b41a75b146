import type { SseEntry } from '../wire/entry.ts'
import { compareIds } from '../wire/event-id.ts'
import type { Feed } from './subscribed-channel.ts'
import { Gate } from './concurrency-limiter.ts'
import type { RedisLog } from './redis-log.ts'

/** Channels in one command. */
const TOGETHER = 512
/** Entries of one channel that are read, and bytes of all: who has missed more is told to read it. */
const ENTRIES = 1_000
const BYTES = 16 * 1024 * 1024
/** Histories that are read at once. */
const READERS = 16

/** What has not come to those who follow channels. */
export interface Missed {
  /** In the order of ids. */
  readonly entries: Array<{ readonly feed: Feed, readonly entry: SseEntry }>
  /** Channels of which it is not known, or very much. */
  readonly broken: Feed[]
}

/**
 * Reads what channels have had that has not come.
 *
 * @param told everything up to this id has come to who followed channels that are forgotten
 * @param until nothing after this id is wanted
 * @param read false to have all broken that have missed anything
 */
export async function readMissed (log: RedisLog, feeds: Feed[], told: string, until: string, read: boolean): Promise<Missed> {
  const missed: Missed = { entries: [], broken: [] }
  const gate = new Gate(READERS, Infinity)
  let budget = read ? BYTES : 0
  await Promise.all((await behind(log, feeds, told)).map(feed => gate.run(async () => {
    const page = budget > 0 ? await log.read(feed.channel, feed.last, ENTRIES).catch(() => {}) : undefined
    for (const entry of page?.entries ?? []) budget -= entry.bytes
    if (page === undefined || !page.known || page.lost !== undefined || page.more || budget < 0) missed.broken.push(feed)
    else for (const entry of page.entries) if (compareIds(entry.id, until) <= 0) missed.entries.push({ feed, entry })
  })))
  missed.entries.sort((a, b) => compareIds(a.entry.id, b.entry.id))
  return missed
}

/** The channels that have had entries which did not come. */
async function behind (log: RedisLog, feeds: Feed[], told: string): Promise<Feed[]> {
  const found: Feed[] = []
  for (let from = 0; from < feeds.length; from += TOGETHER) {
    const some = feeds.slice(from, from + TOGETHER)
    const { forgotten, lasts } = await log.sync('', some.map(({ channel }) => channel))
    found.push(...some.filter((feed, index) => {
      const last = lasts[index]
      return last === undefined ? compareIds(forgotten, told) > 0 : compareIds(last, feed.last!) > 0
    }))
  }
  return found
}
