import { handledRejection } from '../base/deferred.ts'
import { SSE_ERR_EVENT, SSE_ERR_LAST_EVENT_ID, SSE_ERR_OPTION, type SseReason } from '../base/errors.ts'
import { nextTurn } from '../base/event-loop.ts'
import { channelName } from '../channels/channel-name.ts'
import { resolveSubscribeOptions, type SseSubscribeOptions } from '../channels/options.ts'
import { END_ID } from '../wire/end-id.ts'
import { assertFields, assertUnreserved, encode, encodeComment, serialize, type SseFields } from '../wire/event.ts'
import type { SubscribeParameters } from '../channels/subscribe-request.ts'
import type { EventStream } from './event-stream.ts'
import { logSourceFailed } from './log.ts'
import { sendSource } from './source.ts'
import type { SseEmitter, SseState, Subscribable } from './sse-emitter.ts'

/** What `send` and `comment` return while there is room for more: one promise for all calls. */
const RESOLVED = Promise.resolve()

/** The initial value of a list that most emitters do not need. */
const NONE: string[][] = []

/** The maximum length of the last event id that `subscribe` accepts, in characters. */
const MAX_LAST_EVENT_ID = 1_024

/** The last event of a stream. */
interface LastEvent {
  readonly event?: string | undefined
  readonly data?: unknown
}

const LAST_EVENT_FIELDS: ReadonlySet<string> = new Set(['event', 'data'])

/** Returns the stream behind an emitter, or undefined for any other value. */
export let eventStreamOf: (value: unknown) => EventStream | undefined

/**
 * What `reply.sse()` returns. It encodes what the application sends and passes it to the stream behind it, which no
 * application can reach. Each member is documented in {@link SseEmitter}.
 */
export class Emitter implements SseEmitter {
  readonly #stream: EventStream
  /** The channels of each call of `subscribe` that waits for the broker to look up the client's last event. */
  #waiting: string[][] = NONE

  static {
    eventStreamOf = value => typeof value === 'object' && value !== null && #stream in value ? value.#stream : undefined
  }

  constructor (stream: EventStream) {
    this.#stream = stream
  }

  send (data: unknown, fields?: SseFields): Promise<void> {
    return this.#send(data, fields) ?? RESOLVED
  }

  comment (text: string): Promise<void> {
    const { settings, closedError } = this.#stream
    if (closedError !== undefined) return handledRejection(closedError)
    try {
      return this.#stream.put(encodeComment(text, settings.spaceAfterColon), 0) ?? RESOLVED
    } catch (error) {
      return this.#stream.rejectEvent(error)
    }
  }

  sendAll (source: unknown): Promise<void> {
    const stream = this.#stream
    // A HEAD request must not start work for events that are never sent: a function is not called once the stream is closed.
    if (stream.connection.headersOnly) stream.complete()
    const sent = sendSource(source, (data, fields) => this.#send(data, fields), this.signal, stream.callbacks.report).then(() => {})
    sent.catch(error => {
      if (stream.closedError === undefined) stream.callbacks.logUnlessFailed(error, logSourceFailed)
    })
    return sent
  }

  /** @returns a promise to await if there is no room for more, a rejected one if the event was not sent, otherwise undefined */
  #send (data: unknown, fields: SseFields | undefined): Promise<void> | undefined {
    const { settings, closedError, subscriber } = this.#stream
    if (closedError !== undefined) return handledRejection(closedError)
    try {
      assertUnreserved(fields)
      if (subscriber !== undefined && fields?.id !== undefined) {
        throw new SSE_ERR_EVENT('Event field `id` must not be set on a stream that is subscribed to channels, because clients would reconnect with it instead of the id of a channel event')
      }
      const text = serialize(data, settings.serializer, fields?.event, this.#stream.connection.serializers)
      return this.#stream.put(encode(text, fields, settings.spaceAfterColon), 1)
    } catch (error) {
      return this.#stream.rejectEvent(error)
    }
  }

  subscribe (channels: Subscribable | readonly Subscribable[], options?: SseSubscribeOptions): Promise<void> {
    const subscribed = this.#subscribe(channels, options)
    // Without its channels the stream has no purpose.
    subscribed.catch(error => { this.completeWithError(error) })
    return subscribed
  }

  async #subscribe (channels: Subscribable | readonly Subscribable[], options: SseSubscribeOptions | undefined): Promise<void> {
    const { closedError, connection: { lastEventId }, settings: { context } } = this.#stream
    if (closedError !== undefined) throw closedError
    const { from, ...settings } = resolveSubscribeOptions(options)
    const names = namesOf(channels)
    if (names.length === 0) throw new SSE_ERR_OPTION('emitter.subscribe() requires at least one channel')
    if (lastEventId !== undefined && lastEventId.length > MAX_LAST_EVENT_ID) {
      throw new SSE_ERR_LAST_EVENT_ID(String(lastEventId.length), String(MAX_LAST_EVENT_ID))
    }
    const after = lastEventId ?? (from === 'now' || from === 'start' ? undefined : from)
    const parameters: SubscribeParameters = { after, now: after === undefined && from === 'now', context, ...settings }
    if (settings.until !== undefined) {
      if (await this.#hasReceivedLast(names, parameters)) return this.#stream.decline(settings.markers)
      if (this.#stream.closedError !== undefined) throw this.#stream.closedError
      if (names.length === 0) return this.open()
    }
    const subscribed = this.#stream.subscribe(names, parameters)
    // If the broker rejects within a turn of the event loop, the client receives an error status. The headers wait no longer
    // than that, because a broker may be unavailable for a while.
    await Promise.race([subscribed, nextTurn()])
    this.open()
    await subscribed
  }

  async #hasReceivedLast (names: string[], parameters: SubscribeParameters): Promise<boolean> {
    this.#waiting = [...this.#waiting, names]
    try {
      return await this.#stream.hasReceivedLast(names, parameters)
    } finally {
      this.#waiting = this.#waiting.filter(waiting => waiting !== names)
    }
  }

  unsubscribe (channels: Subscribable | readonly Subscribable[]): void {
    const ended = namesOf(channels)
    for (const names of this.#waiting) names.splice(0, Infinity, ...names.filter(name => !ended.includes(name)))
    this.#stream.subscriber?.unsubscribe(ended)
  }

  open (): void {
    this.#stream.open()
  }

  complete (last?: LastEvent): void {
    if (last !== undefined && !this.#sendLast(last)) return
    this.#stream.complete()
  }

  /** @returns whether the event can be encoded; otherwise the stream has failed */
  #sendLast (last: LastEvent): boolean {
    const stream = this.#stream
    const { settings: { serializer, spaceAfterColon }, connection: { serializers } } = stream
    if (stream.closedError !== undefined) return true
    try {
      assertFields(last, LAST_EVENT_FIELDS)
      assertUnreserved(last)
      const text = serialize(last.data === undefined ? '' : last.data, serializer, last.event, serializers)
      // Events that were published before come first.
      stream.subscriber?.flush()
      stream.put(encode(text, { event: last.event, id: END_ID }, spaceAfterColon), 1)
      return true
    } catch (error) {
      stream.completeWithError(error)
      return false
    }
  }

  completeWithError (error: unknown): void {
    this.#stream.completeWithError(error)
  }

  onTimeout (callback: () => unknown): void {
    this.#stream.callbacks.onTimeout(callback)
  }

  onError (callback: (error: unknown) => unknown): void {
    this.#stream.callbacks.onError(callback)
  }

  onCompletion (callback: (reason: SseReason) => unknown): void {
    this.#stream.callbacks.onCompletion(callback)
  }

  get signal (): AbortSignal {
    return this.#stream.signal
  }

  get closed (): Promise<SseReason> {
    return this.#stream.closed
  }

  get state (): SseState {
    return this.#stream.state
  }

  get lastEventId (): string | undefined {
    return this.#stream.connection.lastEventId
  }
}

/** @throws SSE_ERR_CHANNEL */
function namesOf (channels: Subscribable | readonly Subscribable[]): string[] {
  return (Array.isArray(channels) ? channels : [channels]).map((channel: Subscribable | undefined) => channelName(channel?.name))
}
