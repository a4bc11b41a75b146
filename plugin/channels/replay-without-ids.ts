import { compareIds } from '../wire/event-id.ts'
import { readPages, type ChannelPage } from './history-reader.ts'
import type { SubscribedStream } from './subscribed-stream.ts'

/**
 * Replays the history of channels that a client subscribes to while it receives events of others. These events have no ids,
 * because they are older than what the client has received, and the ids on one connection must not decrease.
 *
 * @param pages the first page of each channel
 * @param end where the replay ends: the client's position
 * @returns whether an entry ends the stream
 * @throws the error of a filter or of `until`, SSE_ERR_CLOSED if the stream ends
 */
export async function replayWithoutIds (stream: SubscribedStream, pages: readonly ChannelPage[], end: string): Promise<boolean> {
  for (const page of pages) if (await replayChannel(stream, page, end)) return true
  return false
}

async function replayChannel (stream: SubscribedStream, { subscription, page }: ChannelPage, end: string): Promise<boolean> {
  for (const entry of page.entries) {
    if (compareIds(entry.id, end) > 0) return false
    if (!subscription.wants(entry)) continue
    const room = stream.put(entry.frameWithoutId(stream.spaceAfterColon), 1)
    if (subscription.endsAfter(entry)) return true
    if (room !== undefined) await room
  }
  if (!page.more) return false
  const [next] = await readPages([subscription], page.entries.at(-1)!.id, end)
  return await replayChannel(stream, next!, end)
}
