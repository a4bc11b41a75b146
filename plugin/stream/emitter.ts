import type { FastifyBaseLogger } from 'fastify'
import { Callbacks } from '../base/callbacks.ts'
import { channelName } from '../channels/channel-name.ts'
import { Deadlines, type DeadlinesOwner } from './deadlines.ts'
import { Deferred } from '../base/deferred.ts'
import { SSE_ERR_CLOSED, SSE_ERR_EVENT, SSE_ERR_LAST_EVENT_ID, SSE_ERR_SERIALIZE, type SseReason } from '../base/errors.ts'
import { assertUnreserved, encode, encodeComment, HEARTBEAT, serialize, type SseFields } from '../wire/event.ts'
import { publicCode } from '../base/failure.ts'
import type { FollowedEmitter, Follower } from '../channels/follower.ts'
import { resolveSubscribeOptions, type SseSubscribeOptions } from '../channels/options.ts'
import type { StreamSettings } from './options.ts'
import { Outbox, type OutboxOwner } from './outbox.ts'
import { sendSource } from './source.ts'
import type { SseEmitter, SseState, Subscribable } from './sse-emitter.ts'
import type { Transport } from './transport.ts'
import { SharedText } from '../wire/shared-text.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'

/** What an emitter asks of the HTTP response whose body it is. */
export interface Connection {
  readonly log: FastifyBaseLogger
  readonly lastEventId: string | undefined
  /** Makes what feeds an emitter from channels. */
  follow (emitter: FollowedEmitter): Follower
  /** Has the headers sent; `attach` follows when they are, perhaps before this returns. */
  open (): void
  /** Answers with an error in place of a stream. */
  fail (error: unknown): void
  /** Answers with 204 in place of a stream. */
  decline (): void
  /** Ends the body. @param hangUp whether the connection ends too, so that the client has to make a new one */
  end (hangUp: boolean): void
  /** Cuts the response off, whatever waits; on HTTP/2 only its own stream. */
  cut (): void
}

/** Milliseconds that callbacks of `onTimeout` may take for their farewell. */
const FAREWELL = 5_000
/** What a send gives where there is room: one promise for all. */
const TAKEN = Promise.resolve()
/** Where there are many streams, heartbeats are most of what is written. */
const HEARTBEATS = new SharedText(HEARTBEAT)
/** What the type of a heartbeat is that states an id anew, where the application has not named one. */
const RESTATING = 'sse-heartbeat'
/** Characters that the id of a client may have. */
const MAX_ID = 1_024

/** One connection, from made to over. What each public member does is said at {@link SseEmitter}. */
export class Emitter implements SseEmitter, FollowedEmitter, OutboxOwner, DeadlinesOwner {
  readonly #connection: Connection
  readonly #settings: StreamSettings
  readonly #outbox: Outbox
  readonly #deadlines: Deadlines

  /** Whether the connection was asked to open. */
  #opening = false
  /** Whether the headers are out and the body has not ended: what is put into the outbox leaves. */
  #open = false
  /** Why nothing can be sent any more; undefined while something can. */
  #reason: SseReason | undefined
  /** Whether the connection is over and everybody was told. */
  #over = false
  /** When it opened, by performance.now(); undefined if it never did. */
  #openedAt: number | undefined
  #events = 0
  /** What it was failed with. */
  #failure: unknown

  // Made when they are needed.
  #follower: Follower | undefined
  #closedError: SSE_ERR_CLOSED | undefined
  #controller: AbortController | undefined
  #closed: Deferred<SseReason> | undefined
  #timeoutCallbacks: Callbacks<[]> | undefined
  #errorCallbacks: Callbacks<[unknown]> | undefined
  #completionCallbacks: Callbacks<[SseReason]> | undefined

  constructor (connection: Connection, settings: StreamSettings, wheel: TimerWheel) {
    this.#connection = connection
    this.#settings = settings
    this.#outbox = new Outbox(this, settings.maxBuffered)
    this.#deadlines = new Deadlines(this, settings, this.#outbox, wheel)
  }

  get state (): SseState {
    if (this.#reason !== undefined) return 'closed'
    return this.#open ? 'open' : 'pending'
  }

  get lastEventId (): string | undefined {
    return this.#connection.lastEventId
  }

  get signal (): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#closedBecause(this.#reason))
    }
    return this.#controller.signal
  }

  get closed (): Promise<SseReason> {
    this.#closed ??= new Deferred()
    if (this.#over) this.#closed.resolve(this.#reason!)
    return this.#closed.promise
  }

  // Sending

  send (data: unknown, fields?: SseFields): Promise<void> {
    return this.#sendEvent(data, fields) ?? TAKEN
  }

  comment (text: string): Promise<void> {
    if (this.#reason !== undefined) return rejected(this.#closedBecause(this.#reason))
    try {
      return this.put(encodeComment(text, this.#settings.spaceAfterColon), 0) ?? TAKEN
    } catch (error) {
      return this.#refuse(error)
    }
  }

  sendAll (source: unknown): Promise<void> {
    const sent = sendSource(source, (data, fields) => this.#sendEvent(data, fields), this.signal, this.#report).then(() => {})
    sent.catch(error => {
      if (this.#reason === undefined) this.#connection.log.warn({ err: error }, 'a source of an event stream failed')
    })
    return sent
  }

  #sendEvent (data: unknown, fields: SseFields | undefined): Promise<void> | undefined {
    if (this.#reason !== undefined) return rejected(this.#closedBecause(this.#reason))
    let text: string
    try {
      assertUnreserved(fields)
      if (this.#follower !== undefined && fields?.id !== undefined) throw new SSE_ERR_EVENT('Event field `id` must not be set on a stream that is subscribed to channels, because it would replace their ids')
      text = encode(serialize(data, this.#settings.serializer), fields, this.#settings.spaceAfterColon)
    } catch (error) {
      return this.#refuse(error)
    }
    return this.put(text, 1)
  }

  /** An event that cannot be written: nothing of it was, and the stream goes on. */
  #refuse (error: unknown): Promise<void> {
    this.#connection.log.warn({ err: error }, 'an event was not sent')
    if (error instanceof SSE_ERR_SERIALIZE) this.#errorCallbacks?.call([error], this.#report)
    return rejected(error)
  }

  put (text: string, events: number): Promise<void> | undefined {
    this.open()
    this.#events += events
    if (this.#reason === undefined && !this.#outbox.put(text)) this.cut('slow')
    return this.#reason === undefined ? this.#outbox.room : rejected(this.#closedBecause(this.#reason))
  }

  // Following channels

  async #subscribe (channels: Subscribable | readonly Subscribable[], options: SseSubscribeOptions | undefined): Promise<void> {
    if (this.#reason !== undefined) throw this.#closedBecause(this.#reason)
    const { from, filter, until, markers } = resolveSubscribeOptions(options)
    const names = (Array.isArray(channels) ? channels : [channels]).map((channel: Subscribable | undefined) => channelName(channel?.name))
    if (names.length === 0) channelName(undefined)
    const { lastEventId } = this
    if (lastEventId !== undefined && lastEventId.length > MAX_ID) throw new SSE_ERR_LAST_EVENT_ID(String(lastEventId.length), String(MAX_ID))
    this.#follower ??= this.#connection.follow(this)
    const after = lastEventId ?? (from === 'now' || from === 'start' ? undefined : from)
    const following = this.#follower.follow(names, { after, now: after === undefined && from === 'now', filter, until, markers })
    // A broker that refuses does so at once, and then the client gets that as a status. One that is away for a while
    // shall not keep it waiting.
    await Promise.race([following, new Promise(resolve => { setImmediate(resolve) })])
    this.open()
    await following
  }

  subscribe (channels: Subscribable | readonly Subscribable[], options?: SseSubscribeOptions): Promise<void> {
    const subscribed = this.#subscribe(channels, options)
    // Without its channels the stream is good for nothing.
    subscribed.catch(error => { this.completeWithError(error) })
    return subscribed
  }

  /** The names of the channels it follows. */
  get channels (): readonly string[] {
    return this.#follower?.channels ?? []
  }

  get space (): boolean {
    return this.#settings.spaceAfterColon
  }

  get overflow (): StreamSettings['overflow'] {
    return this.#settings.overflow
  }

  get room (): Promise<void> | undefined {
    return this.#outbox.room
  }

  deliver (text: SharedText, events: number, now: number): boolean {
    if (!this.#outbox.share(text, now)) return false
    this.#events += events
    return true
  }

  lag (): void {
    this.#end('slow')
  }

  // Opening and ending

  open (): void {
    if (this.#opening || this.#reason !== undefined) return
    this.#opening = true
    this.#connection.open()
  }

  complete (): void {
    // In a callback of onError or onTimeout, that is why.
    this.#end(this.#errorCallbacks?.done === true ? 'error' : this.#timeoutCallbacks?.done === true ? 'timeout' : 'complete')
  }

  /** Ends a client that has had everything: it gets 204, after which a browser does not come back. */
  decline (): void {
    if (!this.#opening) this.#connection.decline()
    this.complete()
  }

  completeWithError (error: unknown): void {
    this.#errorCallbacks ??= new Callbacks()
    if (this.#reason !== undefined || this.#errorCallbacks.done) return
    this.#failure = error
    if (this.#opening) {
      this.#connection.log.error({ err: error }, 'event stream failed')
      this.#errorCallbacks.finish([error], this.#report)
      // Unless a callback has said its own farewell and completed.
      if (this.#reason === undefined) this.#outbox.put(this.#ownEvent('sse-error', JSON.stringify({ code: publicCode(error) })))
      this.#end('error')
    } else {
      // First, so that a callback cannot open what is to be an error response.
      this.#stop('error')
      this.#errorCallbacks.finish([error], this.#report)
      this.#connection.fail(error)
    }
  }

  /** Whether it was failed with this error. */
  failedWith (error: unknown): boolean {
    return this.#failure === error
  }

  /** Ends the stream because the server stops. @param retry when the client shall come back, in milliseconds */
  shutDown (retry: number): void {
    if (this.#reason !== undefined) return
    this.#outbox.put(encode(undefined, { retry }, this.#settings.spaceAfterColon))
    this.#end('shutdown')
  }

  /** Bytes that wait for the client. */
  get queued (): number {
    return this.#outbox.queued
  }

  /** Ends the stream because the application wants this client to go. */
  kick (): void {
    this.#end('kicked')
  }

  /** Ends the stream after what is in the outbox; `close` follows when the connection is over. */
  #end (reason: SseReason): void {
    if (this.#reason !== undefined) return
    // Ended by its own hand before it opened, it still owes the client an answer. Ended by the hub, it leaves that to
    // the handler, which may have another in mind.
    if (reason === 'complete') this.open()
    // What was published before the end is before it, and may be the end.
    this.#follower?.flush()
    if (this.state === 'closed') return
    this.#stop(reason)
    this.#outbox.finish()
  }

  /** Ends the stream at once; what waits is lost. */
  cut (reason: SseReason): void {
    this.#stop(reason)
    this.#connection.cut()
  }

  /** From here on nothing can be sent. */
  #stop (reason: SseReason): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#deadlines.end()
    this.#follower?.close(() => this.#closedBecause(reason))
    this.#controller?.abort(this.#closedBecause(reason))
  }

  #closedBecause (reason: SseReason): SSE_ERR_CLOSED {
    this.#closedError ??= new SSE_ERR_CLOSED(reason)
    return this.#closedError
  }

  // Callbacks

  onTimeout (callback: () => unknown): void {
    this.#timeoutCallbacks ??= new Callbacks()
    this.#timeoutCallbacks.add(callback, this.#report)
  }

  onError (callback: (error: unknown) => unknown): void {
    this.#errorCallbacks ??= new Callbacks()
    this.#errorCallbacks.add(callback, this.#report)
  }

  onCompletion (callback: (reason: SseReason) => unknown): void {
    this.#completionCallbacks ??= new Callbacks(this.#over ? [this.#reason!] : undefined)
    this.#completionCallbacks.add(callback, this.#report)
  }

  /** Takes what a callback, or a source that is ended, throws. */
  get #report (): (error: unknown) => void {
    const { log } = this.#connection
    return error => log.error({ err: error }, 'a callback of an event stream failed')
  }

  // From the connection

  /** The headers are on their way: what is sent leaves by `transport`. */
  attach (transport: Transport): void {
    const { retry, spaceAfterColon } = this.#settings
    this.#open = true
    this.#openedAt = performance.now()
    // At every opening, because the client keeps the last it was told, and a shutdown tells it another.
    this.#outbox.attach(transport, retry === undefined ? '' : encode(undefined, { retry }, spaceAfterColon))
    this.#deadlines.begin()
  }

  /**
   * The one funnel for every ending: the connection is over.
   *
   * @param reason why, unless the emitter has ended it itself
   * @param delivered whether all that was sent has left
   */
  close (reason: SseReason, delivered: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#open = false
    this.#stop(reason)
    // Completed before it was open, and then answered otherwise or not at all.
    if (this.#reason === 'complete' && this.#openedAt === undefined) this.#reason = reason
    const ended = this.#reason!
    this.#deadlines.clear()
    this.#outbox.close(delivered ? undefined : () => this.#closedBecause(ended))
    if (this.#openedAt !== undefined) {
      const duration = Math.round(performance.now() - this.#openedAt)
      this.#connection.log.info({ sse: { reason: ended, events: this.#events, bytes: this.#outbox.bytes, duration } }, 'event stream closed')
    }
    this.#completionCallbacks?.finish([ended], this.#report)
    this.#closed?.resolve(ended)
  }

  // From the outbox

  pressureChanged (): void {
    this.#deadlines.update()
  }

  finished (): void {
    this.#open = false
    this.#connection.end(this.#reason === 'shutdown')
  }

  // When the time has come

  beat (): void {
    const { heartbeatEvent } = this.#settings
    const id = this.#follower?.restate()
    if (id === undefined && heartbeatEvent === undefined) this.#outbox.keepAlive(HEARTBEATS)
    else if (heartbeatEvent === undefined && this.#follower?.markers === false) this.#outbox.keepAlive(encode(undefined, { id }, this.space))
    else this.#outbox.keepAlive(encode('', { event: heartbeatEvent ?? RESTATING, id }, this.space))
  }

  timeOut (): void {
    this.#timeoutCallbacks ??= new Callbacks()
    // The second time, the farewell has taken too long.
    if (this.#timeoutCallbacks.done) return this.#end('timeout')
    const busy = this.#timeoutCallbacks.finish([], this.#report)
    if (busy.length === 0) return this.#end('timeout')
    this.#deadlines.extend(FAREWELL)
    Promise.all(busy).then(() => this.#end('timeout'))
  }

  expire (): void {
    this.#end('expired')
  }

  stall (): void {
    this.cut('slow')
  }

  #ownEvent (event: string, data: string): string {
    return encode(data, { event }, this.#settings.spaceAfterColon)
  }
}

/** A rejection that is nobody's concern where nobody awaits it. */
function rejected (error: unknown): Promise<never> {
  const promise = Promise.reject(error)
  promise.catch(() => {})
  return promise
}
