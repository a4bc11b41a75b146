import type { SseChannel } from '../channels/channel.ts'
import type { SseReason } from '../base/errors.ts'
import type { SseEvent, SseFields, Unnamed, Untyped } from '../wire/event.ts'
import type { SseSubscribeOptions } from '../channels/options.ts'

/** `pending` until the stream opens, `open` while events can be sent and leave, `closed` once nothing can be sent. */
export type SseState = 'pending' | 'open' | 'closed'

/** What a source of `sendAll` may yield. */
export type SseItem<Events> =
  | Unnamed<Events>
  | SseEvent<Unnamed<Events>, undefined>
  | { [Name in keyof Events & string]: SseEvent<Events[Name], Name> }[keyof Events & string]
  | Uint8Array

/** A sequence of items: an array, a generator, a Node or web stream, … */
export type SseSequence<Events> = Iterable<SseItem<Events>> | AsyncIterable<SseItem<Events>>

/** What `sendAll` takes. A function is called with the emitter's signal, so that what it starts ends with the stream. */
export type SseSource<Events> =
  | SseSequence<Events>
  | ((signal: AbortSignal) => SseSequence<Events> | Promise<SseSequence<Events>>)

/** A channel, whatever its events. */
export type Subscribable = Pick<SseChannel, 'name'>

/**
 * One event stream to one client, from `reply.sse()` until its connection is over.
 *
 * It opens at its first `send` or `comment`, at `open()`, or when the handler returns it, whichever comes first; the
 * headers then go out at once. It lives until it is completed, whatever the handler does.
 *
 * @typeParam Events the data of each type of event: `reply.sse<{ delta: Delta, done: Usage }>()` checks `send`
 */
export interface SseEmitter<Events = Record<string, unknown>> {
  /**
   * Sends one event. Events that are sent in one callback of the event loop leave together.
   *
   * @param data a string goes as it is, anything else through the option `serializer`; `undefined` for an event that
   *   only sets `id` or `retry`
   * @param fields the event's other fields
   * @returns a promise that settles when the bytes are taken and there is room for more: await it to send no faster
   *   than the client reads. It rejects, and if nobody awaits it nothing happens, with
   *   - SSE_ERR_CLOSED when the stream is over, or gets over before
   *   - SSE_ERR_EVENT or SSE_ERR_SERIALIZE when this event cannot be written; nothing of it was, it is logged, and the
   *     stream goes on. Callbacks of `onError` hear of the latter.
   */
  send<Name extends keyof Events & string> (data: Events[Name], fields: SseFields & { readonly event: Name }): Promise<void>
  send (data: Unnamed<Events>, fields?: SseFields & { readonly event?: undefined }): Promise<void>
  send (data: undefined, fields: SseFields & { readonly event?: undefined }): Promise<void>
  send (data: Untyped<Events>, fields?: SseFields): Promise<void>

  /** Sends a comment, which clients skip. Settles as `send` does. */
  comment (text: string): Promise<void>

  /**
   * Sends every item of a source, no faster than the client reads. Items made with `event(data, fields)` carry their
   * own fields; byte chunks are read as UTF-8, also where a character is cut in two.
   *
   * It does not complete the stream. When the stream ends meanwhile, the source is ended (its iterator's `return()` is
   * called) and the promise rejects at once.
   *
   * @returns a promise that settles when the source has ended and its items are taken. It rejects with what the source
   *   throws, or as `send` does; none of these ends the stream.
   */
  sendAll (source: SseSource<Events>): Promise<void>

  /**
   * Follows channels: what the client has missed, then what is published, in the order of ids, without a gap and
   * without doubles. It opens the stream. May be called again for more channels; what those have had before the id at
   * which the client stands by then comes without ids.
   *
   * The client hears first, and just once, where it stands: `sse-ready`; `sse-gap` with `{ gaps: [{ channel, from, to
   * }] }` where history no longer has what came after the id `from` up to `to`; or `sse-reset` where the client's id is
   * not one of this log's. All history that is left follows.
   *
   * A client that reads too slowly is skipped and catches up from history. What happens when history has moved on is
   * said by the option `overflow`.
   *
   * Where the broker has partitions, all channels of one stream are of one partition, for as long as it lives: ids rise
   * over the channels of one only, and the client has a single last id. With `redisBroker`, names with the same `{tag}`
   * are.
   *
   * From then on `send` refuses events with an `id`, because ids are the channels'.
   *
   * @returns a promise that settles when the client was told where it stands. It rejects, and if nobody awaits it
   *   nothing happens, with
   *   - SSE_ERR_LAST_EVENT_ID (400) when the client's id is longer than 1024 characters; the stream ends with it
   *   - SSE_ERR_CHANNEL or SSE_ERR_OPTION for what cannot be followed, or not so; the stream ends with it
   *   - SSE_ERR_PARTITION for channels of another partition than those it follows; the stream ends with it
   *   - SSE_ERR_CLOSED when the stream is over, or gets over before
   *   - what the broker rejects with; the stream ends with it
   */
  subscribe (channels: Subscribable | readonly Subscribable[], options?: SseSubscribeOptions): Promise<void>

  /** Opens the stream without sending: the client learns at once that it is connected. Does nothing when it was opened. */
  open (): void

  /** Ends the stream after what was sent. Does nothing when it has ended. A stream that was not open opens first. */
  complete (): void

  /**
   * Ends the stream because of an error. Before opening, it is an ordinary error response, by Fastify's own path.
   * After, the error is logged and the client gets a last event of type `sse-error` with `{ "code": … }` and nothing
   * else of the error. Does nothing when the stream has ended.
   */
  completeWithError (error: unknown): void

  /**
   * Calls back when the option `timeout` has passed; the stream ends after the last callback has returned. A farewell
   * may be sent. A promise that a callback returns is waited for, for 5 s at most.
   *
   * There may be many callbacks of each kind. They run in order; one that throws or rejects is logged and does not
   * keep others from running; one that is added too late runs at once.
   */
  onTimeout (callback: () => unknown): void

  /**
   * Calls back with the error of `completeWithError`, what a handler threw, or what the serializer threw; not when a
   * client leaves, which is no error.
   */
  onError (callback: (error: unknown) => unknown): void

  /** Calls back once when the connection is over, for whatever reason, also if the stream never opened. */
  onCompletion (callback: (reason: SseReason) => unknown): void

  /** Aborted when nothing can be sent any more; its reason is an SSE_ERR_CLOSED with `.reason`. */
  readonly signal: AbortSignal

  /** Resolves with the reason when the connection is over. Never rejects. */
  readonly closed: Promise<SseReason>

  readonly state: SseState

  /**
   * The last id that the client has seen, from the header `Last-Event-ID` or else the query parameter that the plugin's
   * option `lastEventIdParameter` names; undefined at its first connection.
   */
  readonly lastEventId: string | undefined
}

/** A snapshot of one stream, from `app.sse.list()`. */
export interface SseStreamInfo {
  /** Fastify's id of the request. */
  readonly id: string
  /** What the option `connectionKey` gave. */
  readonly key: string | undefined
  /** The names of the channels it follows. */
  readonly channels: readonly string[]
  readonly state: SseState
  /** Milliseconds since `reply.sse()`. */
  readonly age: number
  /** Bytes that wait for the client. */
  readonly queued: number
}
