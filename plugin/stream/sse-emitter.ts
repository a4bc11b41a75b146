import type { SseReason } from '../base/errors.ts'
import type { SseChannel } from '../channels/channel.ts'
import type { SseContext, SseSubscribeOptions } from '../channels/options.ts'
import type { SseEvent, SseFields, Unnamed, Untyped } from '../wire/event.ts'

/** `pending` until the stream opens, `open` while it accepts and writes events, `closed` once it accepts no more. */
export type SseState = 'pending' | 'open' | 'closed'

/** An item with a type of event. Inferring the map lets TypeScript relate the items of two maps, one of which extends the other. */
type Named<Events> = Events extends infer Map ? { [Name in keyof Map & string]: SseEvent<Map[Name], Name> }[keyof Map & string] : never

/** The types of events whose data may be undefined. As in {@link Named}, the map is inferred. */
type WithoutData<Events> = Events extends infer Map
  ? { [Name in keyof Map & string]: undefined extends Map[Name] ? Name : never }[keyof Map & string]
  : never

/** An item of a source of `sendAll`. */
export type SseItem<Events> =
  | Unnamed<Events>
  | SseEvent<Unnamed<Events>, undefined>
  | Named<Events>
  | Uint8Array

/** A sequence of items: an array, a generator, a Node.js or web stream, … */
export type SseSequence<Events> = Iterable<SseItem<Events>> | AsyncIterable<SseItem<Events>>

/** What `sendAll` accepts. A function receives the emitter's signal, so that what it starts can end with the stream. */
export type SseSource<Events> =
  | SseSequence<Events>
  | ((signal: AbortSignal) => SseSequence<Events> | Promise<SseSequence<Events>>)

/** A channel with any types of events. */
export type Subscribable = Pick<SseChannel, 'name'>

/**
 * One event stream to one client, from `reply.sse()` until its connection is closed.
 *
 * It opens at its first `send` or `comment`, at `open()`, or when the handler returns it, whichever comes first; the
 * headers are then sent immediately. It stays open until it is completed, even after the handler has returned.
 *
 * @typeParam Events the data of each event type: `reply.sse<{ delta: Delta, done: Usage }>()` makes `send` check it
 */
export interface SseEmitter<out Events = any> {
  /**
   * Sends one event. Events sent in one callback of the event loop are written together.
   *
   * @param data a string is sent as it is, anything else through the option `serializer`; `undefined` only to set `id` or
   *   `retry`, because clients ignore an event without data, even if it has a type: send an empty string instead
   * @param fields the event's other fields
   * @returns a promise that resolves when the event is queued and there is room for more; await it to send no faster than
   *   the client reads. It rejects with
   *   - SSE_ERR_CLOSED if the stream is closed, or closes while waiting for room
   *   - SSE_ERR_EVENT or SSE_ERR_SERIALIZE if the event cannot be encoded; nothing of it is sent, the error is logged, and
   *     the stream continues. `onError` callbacks receive an SSE_ERR_SERIALIZE.
   *
   *   An unhandled rejection never crashes the process.
   */
  send<Name extends keyof Events & string> (data: Events[Name], fields: SseFields & { readonly event: Name }): Promise<void>
  send (data: Unnamed<Events>, fields?: SseFields & { readonly event?: undefined }): Promise<void>
  send (data: undefined, fields: SseFields & { readonly event?: undefined }): Promise<void>
  send (data: Untyped<Events>, fields?: SseFields): Promise<void>

  /** Sends a comment, which clients ignore. Resolves and rejects like `send`. */
  comment (text: string): Promise<void>

  /**
   * Sends every item of a source, no faster than the client reads. Items made with `event(data, fields)` have their own
   * fields. Byte chunks are decoded as UTF-8, even if a character is split between them.
   *
   * A HEAD request does not start a source: a function is not called, and the promise rejects with SSE_ERR_CLOSED.
   *
   * It does not complete the stream. If the stream closes first, the promise rejects immediately and the source is ended. A
   * Node.js or web stream is closed even while it is silent. An async generator ends at its next `yield`: pass the signal to
   * everything that it awaits, so that it ends immediately.
   *
   * @returns a promise that resolves when the source has ended and its items are queued. It rejects with what the source
   *   throws, which is logged once, or as `send` does; neither closes the stream.
   */
  sendAll (source: SseSource<Events>): Promise<void>

  /**
   * Subscribes the client to channels: it receives the events it missed, then those that are published from now on, in the
   * order of their ids, each exactly once. Opens the stream. Call it again to add channels: their events from before the
   * client's position are sent without ids.
   *
   * The client first receives one event about its position:
   * - `sse-ready` if nothing is missing
   * - `sse-gap` with `{ gaps: [{ channel, from, to }] }` if the history no longer has the events after `from`, up to `to`
   * - `sse-reset` if the broker does not know the client's id, for example because its log was lost
   *
   * The missed events that are still in the history follow, then new ones.
   *
   * Nothing is queued for a client that reads too slowly; once there is room, it catches up from the history. The option
   * `overflow` defines what happens if the history no longer has what the client needs.
   *
   * If the broker has partitions, all channels of one stream must be of one partition, because ids are ordered only within
   * a partition and a client has a single last id. With `redisBroker`, channels whose names contain the same `{tag}` share
   * a partition.
   *
   * From then on, `send` rejects events with an `id`, because the channels set the ids.
   *
   * @returns a promise that resolves when the client has been sent its position. If it rejects, the stream ends; an
   *   unhandled rejection never crashes the process. It rejects with
   *   - SSE_ERR_LAST_EVENT_ID (400) if the client's id is longer than 1,024 characters
   *   - SSE_ERR_CHANNEL or SSE_ERR_OPTION for an invalid channel or option
   *   - SSE_ERR_PARTITION for channels of different partitions
   *   - SSE_ERR_CLOSED if the stream is closed, or closes first
   *   - the error of the broker, if it fails
   */
  subscribe (channels: Subscribable | readonly Subscribable[], options?: SseSubscribeOptions): Promise<void>

  /**
   * Ends the subscriptions to channels: the client receives the events that were published before, and no later ones. The
   * stream stays open. Ignores channels to which it is not subscribed.
   *
   * @throws SSE_ERR_CHANNEL for an invalid channel
   */
  unsubscribe (channels: Subscribable | readonly Subscribable[]): void

  /** Opens the stream without sending an event, so that the client knows it is connected. Does nothing if it is open. */
  open (): void

  /**
   * Closes the stream once all queued events are written. A pending stream is opened first. Does nothing if it is closed.
   *
   * @param last a last event, which makes an EventSource stop: its id is `sse-end`, and a request with this `Last-Event-ID`
   *   is answered with 204 before the handler is called. Without it, an EventSource reconnects. `data` is an empty string by
   *   default; with an event map, it may be omitted if the type of the data includes undefined. If the event cannot be encoded, the stream ends as with `completeWithError`
   */
  complete<Name extends keyof Events & string> (last: { readonly event: Name, readonly data: Events[Name] }): void
  complete (last: { readonly event: WithoutData<Events>, readonly data?: undefined }): void
  complete (last: { readonly event?: undefined, readonly data: Unnamed<Events> }): void
  complete (last: { readonly event?: Untyped<Events>, readonly data?: Untyped<Events> }): void
  complete (): void

  /**
   * Closes the stream because of an error. If it is pending, Fastify answers with an error response. Otherwise, the error is
   * logged and the client receives a final event of type `sse-error` with `{ code, message, retryable }`. In both cases,
   * the client receives no details of the error unless it has `expose: true` or is of this package; see `failureOf`.
   * Does nothing if the stream is closed.
   */
  completeWithError (error: unknown): void

  /**
   * Adds a callback that runs when the option `timeout` has passed. The callback may send final events. The stream closes
   * when all callbacks have returned and their promises have settled, after 5 s at most.
   *
   * There may be several callbacks of each kind, which run in order. If one throws or rejects, the error is logged and the
   * others still run. A callback that is added too late runs immediately. Each runs in the AsyncLocalStorage context in
   * which it was added.
   */
  onTimeout (callback: () => unknown): void

  /**
   * Adds a callback that receives the error of `completeWithError`, of the handler, or of the serializer. A client that
   * disconnects is not an error.
   */
  onError (callback: (error: unknown) => unknown): void

  /** Adds a callback that runs once when the connection is closed, for any reason, even if the stream never opened. */
  onCompletion (callback: (reason: SseReason) => unknown): void

  /** Aborts when the stream accepts no more events. `signal.reason` is an SSE_ERR_CLOSED, whose `reason` says why. */
  readonly signal: AbortSignal

  /** Resolves with the reason when the connection is closed, which may be later than `state` is `closed`. Never rejects. */
  readonly closed: Promise<SseReason>

  readonly state: SseState

  /**
   * The id of the last event that the client received, from the `Last-Event-ID` header or else from the query parameter
   * named by the plugin option `lastEventIdParameter`; undefined at a client's first connection.
   */
  readonly lastEventId: string | undefined
}

/** A snapshot of one stream, from `app.sse.list()`. */
export interface SseStreamInfo {
  /** Fastify's id of the request. */
  readonly id: string
  /** What the option `connectionKey` returned. */
  readonly key: string | undefined
  /** The option `context` of `reply.sse()`. */
  readonly context: SseContext | undefined
  /** The names of the channels that the client is subscribed to. */
  readonly channels: readonly string[]
  readonly state: SseState
  /** Milliseconds since `reply.sse()`. */
  readonly age: number
  /** Bytes that wait for the client. */
  readonly queued: number
}
