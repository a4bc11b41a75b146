import type { SseEntry, SsePayload } from '../wire/entry.ts'

/** How much of a channel's history is kept. Entries beyond any of the limits are removed, the oldest first. */
export interface SseHistory {
  /** The maximum number of entries; 0 keeps no history. */
  readonly count: number
  /** The maximum age of an entry in milliseconds; 0 sets no limit. */
  readonly age: number
  /** The maximum size in bytes, which is the sum of `entry.bytes`. */
  readonly bytes: number
}

/** The options of `broker.publish()`. */
export interface SsePublishOptions {
  /** The limits of the channel's history, from this publication on. */
  readonly history: SseHistory
  /** Identifies this publication, so that it can be retried without being published twice: 1 to 255 characters. */
  readonly idempotencyKey?: string | undefined
  /**
   * The id of the last event that was published to this channel, whether or not the history still has it. If another event
   * is the last one, nothing is published. A publication that was already made under the same idempotency key is reported
   * as repeated all the same.
   */
  readonly expectedLastId?: string | undefined
}

/** The result of `channel.publish()` and `broker.publish()`. */
export interface SsePublished {
  /** The id of the event. */
  readonly id: string
  /** Whether the event was already published under the same idempotency key. `id` is the id it was given then. */
  readonly repeated: boolean
}

/** The result of `broker.replay()`: one page of a channel's history. */
export interface SsePage {
  /** In ascending order of their ids. */
  readonly entries: readonly SseEntry[]
  /** Whether the history has entries after these. */
  readonly more: boolean
  /**
   * Whether the requested id belongs to this log. It does not if it is malformed, if it has another epoch, or if it is
   * later than the last id that the log assigned; the page then starts with the oldest entry. True if no id was requested.
   */
  readonly known: boolean
  /**
   * The id of the newest entry after the requested id that is no longer in the history: a client at the requested id has
   * missed entries up to and including this one. `undefined` if nothing is missing.
   */
  readonly lost: string | undefined
  /**
   * Whether entries within the limits of the history are missing, for example because another program has deleted them. If
   * so, a client that reads from the beginning has also missed entries, up to `lost`.
   *
   * @default false
   */
  readonly damaged?: boolean | undefined
  /** The last id that the log had assigned, on any channel, when the page was read. */
  readonly clock: string
}

/** Receives the entries of a channel as they are published. Its methods must not throw. */
export interface SseBrokerListener {
  /** Called once for each entry, in ascending order of ids. */
  onEntry (entry: SseEntry): void
  /**
   * Called when entries may have been missed, or when another log, with another epoch, has replaced this one. The listener
   * can read the history to find out what it missed. `onEntry` continues after the subscription's `position`.
   *
   * Not called before `subscribe` has resolved.
   */
  onBreak (): void
}

/** The result of `broker.subscribe()`. */
export interface SseBrokerSubscription {
  /**
   * Entries after this id are delivered to the listener. At first it is the last id of the log at the time of the
   * subscription; it advances with each entry that is delivered.
   */
  readonly position: string
  /** Stops calling the listener. May be called more than once, and after `close`. */
  unsubscribe (): void
}

/**
 * An append-only log with live delivery for each channel. Channels and runs are built on it. `memoryBroker()` keeps the log
 * in the process; other brokers, such as `redisBroker()`, keep it where several processes can reach it. The test suite
 * in `fastify-sse-emitter/testing` checks a broker against this contract.
 *
 * **Order.** Ids increase across all channels of a broker (of a partition, if it has several), in the order in which the
 * broker accepts publications, even if the system clock is set back. Events that one caller publishes to one channel
 * keep their order, even if it does not await each call. All subscribers observe the same order.
 *
 * **Concurrency.** Every method may be called at any time: while other calls are pending, and from within a listener.
 *
 * **Gaps.** A caller that subscribes, and then reads the history until `more` is false, receives every entry. An entry that
 * is published in the meantime is in a page, is delivered to the listener, or both. Missing entries are reported by `lost`,
 * `known` and `onBreak`. A broker that cannot tell whether entries are missing reports that they are.
 *
 * **Payloads.** A broker publishes only payloads for which `assertPayload` does not throw. What it delivers is checked again,
 * because another program may have access to its store: an entry that cannot be sent is logged and left out, and the
 * subscribers of its channel receive a gap.
 *
 * **Failures.** `publish` rejects if the entry was not accepted. If the outcome is unknown, for example because a connection
 * was lost, it rejects with a code of its own (such as SSE_ERR_BROKER_UNKNOWN), and the caller may retry with the same key.
 * `subscribe` and `replay` wait while the log is unreachable, and reject only if waiting would not help. Live subscriptions
 * survive such outages.
 *
 * **Closing.** After `close`, no listener is called and every method except `close` rejects with SSE_ERR_BROKER_CLOSED.
 */
export interface SseBroker {
  /**
   * Whether other processes use the same log. If so, `app.sse.closeKey()` reaches the streams of all of them, and runs are
   * monitored: a run whose process dies ends as failed.
   *
   * @default false
   */
  readonly shared?: boolean | undefined

  /**
   * Returns the partition of a channel. It depends only on the channel's name, and is the same in all processes that use
   * the log. Ids increase across the channels of one partition, and a stream can only subscribe to channels of one
   * partition. A broker without this method has a single partition.
   */
  partition? (channel: string): string | number

  /**
   * Appends an entry to a channel's log and delivers it to all subscribers. Some may receive it before the promise resolves.
   *
   * @returns a promise that resolves once the log has accepted the entry
   * @throws
   *   - SSE_ERR_EVENT if the payload cannot be sent, see `assertPayload`
   *   - SSE_ERR_IDEMPOTENCY_KEY if the key was used for a different payload on this channel
   *   - SSE_ERR_PRECONDITION if `expectedLastId` is not the id of the channel's last event
   *   - SSE_ERR_BROKER_FULL if the broker has reached its limit of channels
   */
  publish (channel: string, payload: SsePayload, options: SsePublishOptions): Promise<SsePublished>

  /**
   * Subscribes a listener to a channel.
   *
   * @returns a promise that resolves once every entry that is published from then on will be delivered
   */
  subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription>

  /**
   * Reads a channel's history.
   *
   * @param after the page starts after this id, which may be any text that a client sent; `undefined` for the beginning
   * @param count the maximum number of entries, at least 1
   */
  replay (channel: string, after: string | undefined, count: number): Promise<SsePage>

  /** Releases all resources. May be called more than once. */
  close (): Promise<void>
}
