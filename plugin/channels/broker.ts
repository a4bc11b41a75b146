import type { SseEntry, SsePayload } from '../wire/entry.ts'

/** How much of a channel's past is kept. What is over any of the limits goes, the oldest first. */
export interface SseHistory {
  /** Events. 0: no history. */
  readonly count: number
  /** Milliseconds since an event was published. 0: no limit. */
  readonly age: number
  /** Bytes of the events' text and ids. */
  readonly bytes: number
}

/** How something is published. */
export interface SsePublishing {
  /** The channel's history from now on. */
  readonly history: SseHistory
  /** Names this publication, so that it can be repeated without being published twice. 1 to 255 characters. */
  readonly idempotencyKey?: string | undefined
}

/** What came of it. */
export interface SsePublished {
  readonly id: string
  /** Whether it had been published before, under the same idempotency key. */
  readonly repeated: boolean
}

/** A piece of a channel's history. */
export interface SsePage {
  /** In the order of their ids. */
  readonly entries: readonly SseEntry[]
  /** Whether there are more after these. */
  readonly more: boolean
  /**
   * Whether the id that was asked for is one of this log's, which it is not where it is no id, has another epoch, or is
   * later than any the log has given. If not, the page begins with the oldest entry.
   */
  readonly known: boolean
  /**
   * The newest entry after the one that was asked for which the history has lost: whoever stood there has missed
   * something. undefined: nothing is missing.
   */
  readonly lost: string | undefined
  /** The last id that the log had given, in whatever channel, when this was read. */
  readonly clock: string
}

/** Who follows a channel live. Must not throw. */
export interface SseBrokerListener {
  /** An entry was published. Each comes once, in the order of ids. */
  onEntry (entry: SseEntry): void
  /**
   * Entries may have been missed, or the log is another one from here on. Who has to know reads the history again;
   * `onEntry` goes on after the subscription's `position`. Not before the subscription is there.
   */
  onBreak (): void
}

export interface SseBrokerSubscription {
  /** The listener was given every entry of the channel up to this id, and none after it. Never before an entry given. */
  readonly position: string
  /** The listener is not called again. May be called twice, and after `close`. */
  unsubscribe (): void
}

/**
 * A log with a live tail, for each channel: what channels and runs stand on. The memory broker keeps it in the process;
 * another keeps it where many processes reach it. A broker that passes the suite of `fastify-sse-emitter/testing` works.
 *
 * Order. The ids of one broker rise over all channels (of one partition, where it has several), in the order in which it
 * takes publications, whatever the clocks do; what one caller publishes to one channel without awaiting keeps its order.
 * Everybody sees the same order.
 *
 * Concurrency. Every method may be called at any time, while others run and by a listener.
 *
 * Gaps. Who subscribes, and then reads the history until there is no more, has every entry: one that is published
 * meanwhile is in a page, comes to the listener, or both. What is not there any more is told, by `lost`, `known` and
 * `onBreak`; where a broker cannot know whether anything is missing, it says that it is.
 *
 * Failure. `publish` rejects when the entry was not taken, and says by the error's code when that is unknown; with an
 * idempotency key it may then be called again. `subscribe` and `replay` wait through a failure of what is behind the
 * broker and reject for good reason only. A live subscription survives it.
 *
 * Closing. After `close`, listeners are not called and every method rejects with SSE_ERR_BROKER_CLOSED.
 */
export interface SseBroker {
  /** Whether other processes have the same log. Then runs are watched over: one whose process is lost ends as failed. */
  readonly shared?: boolean | undefined

  /**
   * Of which partition a channel is, by its name alone, the same in all processes that have the log. Ids rise over the
   * channels of one partition, and one stream follows channels of one only. Without this method all channels are of one.
   */
  partition? (channel: string): string | number

  /**
   * Appends to a channel's log and hands the entry to all who follow it, some of them perhaps before it returns.
   *
   * @returns when the log has it
   * @throws SSE_ERR_IDEMPOTENCY_KEY if the key was used for another payload of this channel, SSE_ERR_BROKER_FULL if the
   *   broker has no place for one more channel
   */
  publish (channel: string, payload: SsePayload, publishing: SsePublishing): Promise<SsePublished>

  /** Has a listener follow a channel. @returns when every entry that is published from now on will reach it */
  subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription>

  /**
   * Reads a channel's history.
   *
   * @param after an id, whatever text a client has sent; undefined for the beginning
   * @param count entries at most, at least 1
   */
  replay (channel: string, after: string | undefined, count: number): Promise<SsePage>

  /** Lets go of everything. May be called twice. */
  close (): Promise<void>
}
