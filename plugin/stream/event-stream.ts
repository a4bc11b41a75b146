import { createAbortController } from '../base/abort-controller.ts'
import { Deferred, handledRejection } from '../base/deferred.ts'
import { SSE_ERR_CLOSED, SSE_ERR_SERIALIZE, type SseReason } from '../base/errors.ts'
import { failureOf, isInstance } from '../base/failure.ts'
import { isLastEvent } from '../channels/last-event.ts'
import type { SubscribeParameters } from '../channels/subscribe-request.ts'
import type { SubscribedStream } from '../channels/subscribed-stream.ts'
import { Subscriber } from '../channels/subscriber.ts'
import { END_ID } from '../wire/end-id.ts'
import { encode, encodeRetry } from '../wire/event.ts'
import type { SharedText } from '../wire/shared-text.ts'
import type { StreamConnection, StreamContext } from './connection.ts'
import { Deadlines, type DeadlinesOwner } from './deadlines.ts'
import { encodeError, ENDINGS } from './error-event.ts'
import { heartbeatOf } from './heartbeat.ts'
import { logFailed, logUnsentEvent } from './log.ts'
import type { StreamSettings } from './options.ts'
import { reportEnd, reportGap, reportOpen, reportSlow } from './reports.ts'
import { Outbox, type OutboxOwner } from './outbox.ts'
import type { SseState } from './sse-emitter.ts'
import { StreamCallbacks } from './stream-callbacks.ts'
import type { Transport } from './transport.ts'

/** Milliseconds that `onTimeout` callbacks may take to send their last events. */
const ON_TIMEOUT_LIMIT = 5_000

/**
 * The stream behind an emitter, from `reply.sse()` until its connection is closed. `end` ends it once the outbox is
 * flushed, `cut` immediately. It also ends when the client disconnects, or with an error response if it fails before it
 * opens. In every case, the connection calls `close` last.
 */
export class EventStream implements SubscribedStream, OutboxOwner, DeadlinesOwner {
  readonly settings: StreamSettings
  readonly callbacks: StreamCallbacks
  readonly connection: StreamConnection
  readonly #context: StreamContext
  readonly #outbox: Outbox
  readonly #deadlines: Deadlines

  /** Whether the connection was asked to open. */
  #opening = false
  /** Whether a transport is attached and the body has not ended. */
  #open = false
  /** Why the stream no longer accepts events; undefined while it does. */
  #reason: SseReason | undefined
  /** Whether `close` was called. */
  #completed = false
  /** The time at which it opened, from `performance.now()`. */
  #openedAt: number | undefined
  #events = 0

  // Most streams need none of these, so each is created on first use.
  subscriber: Subscriber | undefined
  #closedError: SSE_ERR_CLOSED | undefined
  #controller: AbortController | undefined
  #closed: Deferred<SseReason> | undefined

  constructor (connection: StreamConnection, settings: StreamSettings, context: StreamContext) {
    this.settings = settings
    this.callbacks = new StreamCallbacks(connection.log)
    this.connection = connection
    this.#context = context
    this.#outbox = new Outbox(this, settings.maxBuffered)
    this.#deadlines = new Deadlines(this, settings, this.#outbox, context.wheel)
  }

  get state (): SseState {
    return this.#reason !== undefined ? 'closed' : this.#open ? 'open' : 'pending'
  }

  /** The error that further sends reject with; undefined while the stream accepts events. */
  get closedError (): SSE_ERR_CLOSED | undefined {
    if (this.#reason !== undefined && this.#closedError?.reason !== this.#reason) this.#closedError = new SSE_ERR_CLOSED(this.#reason)
    return this.#closedError
  }

  get signal (): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = createAbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.closedError!)
    }
    return this.#controller.signal
  }

  get closed (): Promise<SseReason> {
    this.#closed ??= new Deferred()
    if (this.#completed) this.#closed.resolve(this.#reason!)
    return this.#closed.promise
  }

  /** Bytes that wait to be written. */
  get queued (): number {
    return this.#outbox.queued
  }

  // Sending

  /**
   * Queues encoded events.
   *
   * @returns a promise to await if there is no room for more; undefined if there is
   */
  put (text: string, events: number): Promise<void> | undefined {
    this.open()
    if (this.#reason === undefined && !this.#outbox.put(text)) this.cut('slow')
    if (this.#reason !== undefined) return handledRejection(this.closedError!)
    this.#events += events
    return this.#outbox.room
  }

  /** Reports an event that cannot be encoded. The stream continues. */
  rejectEvent (error: unknown): Promise<void> {
    this.callbacks.logUnlessFailed(error, logUnsentEvent)
    if (isInstance(error, SSE_ERR_SERIALIZE)) this.callbacks.warn(error)
    return handledRejection(error)
  }

  // Channels

  /** Whether the client has received the last event of a subscription. It is then not started. */
  async hasReceivedLast (names: string[], parameters: SubscribeParameters): Promise<boolean> {
    const { lastEventId } = this.connection
    if (this.#opening || this.subscriber !== undefined || lastEventId === undefined) return false
    return await isLastEvent(this.#context.fanOut.broker, names, lastEventId, parameters)
  }

  /** Subscribes to channels. @returns a promise that resolves once the client was sent its position in them */
  async subscribe (names: string[], parameters: SubscribeParameters): Promise<void> {
    await (this.subscriber ??= new Subscriber(this, this.#context.fanOut)).subscribe(names, parameters)
  }

  get spaceAfterColon (): boolean {
    return this.settings.spaceAfterColon
  }

  get overflow (): StreamSettings['overflow'] {
    return this.settings.overflow
  }

  get room (): Promise<void> | undefined {
    return this.#outbox.room
  }

  deliver (text: SharedText, events: number, now: number): boolean {
    if (!this.#outbox.sendShared(text, now)) return false
    this.#events += events
    return true
  }

  closeAsSlow (): void {
    this.end('slow')
  }

  // Opening

  open (): void {
    if (this.#opening || this.#reason !== undefined) return
    this.#opening = true
    this.connection.open()
  }

  /** Called when the body is piped to the client; from then on, `transport` writes everything. */
  attach (transport: Transport): void {
    const { retry, spaceAfterColon } = this.settings
    this.#open = true
    this.#openedAt = performance.now()
    // `retry` is sent on every connection, because a client keeps the last value it received, which may be that of a shutdown.
    this.#outbox.attach(transport, retry === undefined ? '' : encodeRetry(retry, spaceAfterColon))
    this.#deadlines.begin(this.connection.isInjected)
    reportOpen(this.connection)
  }

  // Ending

  complete (): void {
    // If a callback of onError or onTimeout completes the stream, the reason remains `error` or `timeout`.
    this.end(this.callbacks.failed ? 'error' : this.callbacks.timedOut ? 'timeout' : 'complete')
  }

  /** Answers 204 to a client that already has every event, so that an EventSource does not reconnect. @param markers whether events may say so */
  decline (markers = false): void {
    if (!this.#opening) this.connection.decline()
    // Once the stream is open, only the client's next request can be answered with 204.
    else if (markers) this.put(encode('{}', { event: 'sse-ready', id: END_ID }, this.spaceAfterColon), 0)
    this.complete()
  }

  completeWithError (error: unknown): void {
    if (this.#reason !== undefined || this.callbacks.failed) return
    if (this.#opening) {
      logFailed(this.connection.log, error)
      this.callbacks.fail(error)
      // A callback may have sent an event of its own and completed the stream. Then `sse-error` is not sent.
      this.end('error', encodeError(failureOf(error, 'INTERNAL_ERROR'), this.spaceAfterColon))
    } else {
      // Stopped first, so that no callback opens the stream: the response will be an error.
      this.#stop('error')
      this.callbacks.fail(error)
      this.connection.fail(error)
    }
  }

  /** Ends the stream because the server is shutting down. @param retry milliseconds that the client waits before it reconnects */
  shutDown (retry: number): void {
    this.end('shutdown', encode(undefined, { retry }, this.spaceAfterColon))
  }

  /** Ends the stream once everything queued is written. @param last what is written last */
  end (reason: SseReason, last?: string): void {
    if (this.#reason !== undefined) return
    // The client needs a response, and the handler may wait for it or have returned.
    this.open()
    // First, deliver the events that were already published to its channels. One of them may end the stream itself.
    this.subscriber?.flush()
    if (this.state === 'closed') return
    if (last !== undefined) this.#outbox.put(last)
    this.#stop(reason)
    this.#outbox.finish()
  }

  /** Ends the stream with an `sse-error`, unless its subscriber has no markers, because it follows another protocol. */
  endWith (reason: keyof typeof ENDINGS): void {
    this.end(reason, this.subscriber?.sendsMarkers === false ? undefined : encodeError(ENDINGS[reason], this.spaceAfterColon))
  }

  /** Ends the stream immediately and discards what is queued. */
  cut (reason: SseReason): void {
    // What the client has not received is not complete.
    if (this.#reason === 'complete') this.#reason = reason
    else this.#stop(reason)
    this.connection.cut()
  }

  #stop (reason: SseReason): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#deadlines.end()
    this.subscriber?.close(() => this.closedError!)
    this.#controller?.abort(this.closedError!)
  }

  /**
   * The connection is closed. Every stream ends here, once.
   *
   * @param reason the reason to report unless the stream has already ended
   * @param delivered whether the whole response has been written
   */
  close (reason: SseReason, delivered: boolean): void {
    if (this.#completed) return
    this.#completed = true
    this.#open = false
    this.#stop(reason)
    // The client may have received a different response, or have disconnected before the end of a completed stream.
    const written = delivered && this.#openedAt !== undefined
    const ended = this.#reason = this.#reason === 'complete' && !written ? reason : this.#reason!
    this.#deadlines.clear()
    this.#outbox.close(written ? undefined : () => this.closedError!)
    const duration = this.#openedAt === undefined ? undefined : Math.round(performance.now() - this.#openedAt)
    reportEnd(this.connection, this.settings.endLogLevel, { reason: ended, events: duration === undefined ? 0 : this.#events, bytes: this.#outbox.bytes, duration })
    this.callbacks.complete(ended)
    this.#closed?.resolve(ended)
  }

  reportGap (channels: readonly string[], reset: boolean): void {
    reportGap(this.connection, channels, reset)
  }

  // Called by Outbox and Deadlines

  pressureChanged (): void {
    this.#deadlines.update()
  }

  finished (): void {
    this.#open = false
    this.connection.end(this.#reason === 'shutdown')
  }

  waiting (): void {
    reportSlow(this.connection, this.queued)
  }

  sendHeartbeat (): void {
    this.#outbox.keepAlive(heartbeatOf(this.settings, this.subscriber))
  }

  timeOut (): void {
    // The second time, the callbacks have taken too long.
    if (this.callbacks.timedOut) return this.end('timeout')
    const busy = this.callbacks.timeOut()
    if (busy.length === 0) return this.end('timeout')
    this.#deadlines.extend(ON_TIMEOUT_LIMIT)
    Promise.all(busy).then(() => this.end('timeout'))
  }
}
