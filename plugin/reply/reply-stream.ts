import type { FastifyBaseLogger, FastifyReply } from 'fastify'
import { currentTime } from '../base/clock.ts'
import { Deferred } from '../base/deferred.ts'
import type { SseStreamDiagnostic } from '../base/diagnostics.ts'
import { SSE_ERR_CLOSED } from '../base/errors.ts'
import { isInstance, toError } from '../base/failure.ts'
import { ListNode } from '../base/linked-list.ts'
import type { StreamConnection, StreamContext } from '../stream/connection.ts'
import { Emitter } from '../stream/emitter.ts'
import { EventStream } from '../stream/event-stream.ts'
import { logIgnoredReturn, logLateFailure, logUnansweredFailure } from '../stream/log.ts'
import type { SseStreamInfo } from '../stream/sse-emitter.ts'
import type { EventSerializers } from '../wire/event-schemas.ts'
import { StreamTransport, type Destination, type Transport } from '../stream/transport.ts'
import { Body } from './body.ts'
import { serializersOf } from './event-schemas.ts'
import { CONTENT_TYPE, setStreamHeaders } from './headers.ts'
import { lastEventIdOf } from './last-event-id.ts'
import type { ReplySettings } from './options.ts'
import type { ReplyStreams } from './reply-streams.ts'
import { clearTimeouts, closeAfterResponse, closeReason, cutConnection, isClosed, isDelivered, isInjected, onceClosed, sendHeaders, sessionOf } from './response.ts'
import { sendThroughFastify } from './unwrapped-handler.ts'

/**
 * Turns a Fastify reply into an event stream.
 *
 * Opening is `reply.send(body)`: Fastify runs its `onSend` hooks, merges headers and calls `body.pipe(destination)`, which
 * takes the connection over. Until then, Fastify may still send a different response: to a HEAD request of a GET route,
 * with status 204, or because a hook throws or replaces the body. In these cases it never calls `pipe`, so only the `close`
 * event of the response reliably signals the end of the stream.
 */
export class ReplyStream extends ListNode implements StreamConnection {
  readonly stream: EventStream
  readonly emitter: Emitter
  /** What the option `connectionKey` returned. */
  readonly key: string | undefined
  /** The HTTP/2 connection. */
  readonly session: object | undefined
  readonly serializers: EventSerializers | undefined
  readonly #createdAt = currentTime()
  readonly #reply: FastifyReply
  readonly #settings: ReplySettings
  readonly #streams: ReplyStreams
  /** Whether `reply.send()` was called, with the body or with an error. */
  #replySent = false
  /** The status code when the stream was opened, before `onSend` hooks ran. */
  #status = 200
  /** Whether the stream is written to the client, directly or through another stream. */
  #piped = false
  /** Ends the body, and the stream it is piped to. Undefined if ending the response is enough. */
  #endBody: (() => void) | undefined
  /** Whether the handler threw. Fastify then sends the error response. */
  #handlerFailed = false
  /** Whether Fastify is done with the reply: it was hijacked, or the connection is closed. */
  #settled = false
  #onSettled: Deferred<void> | undefined

  constructor (reply: FastifyReply, settings: ReplySettings, key: string | undefined, streams: ReplyStreams, context: StreamContext) {
    super()
    this.key = key
    this.session = sessionOf(reply.raw)
    this.serializers = serializersOf(reply)
    this.#reply = reply
    this.#settings = settings
    this.#streams = streams
    this.stream = new EventStream(this, settings, context)
    this.emitter = new Emitter(this.stream)
  }

  get log (): FastifyBaseLogger {
    return this.#reply.log
  }

  get headersOnly (): boolean {
    return this.#reply.request.method === 'HEAD'
  }

  get isInjected (): boolean {
    return isInjected(this.#reply.raw)
  }

  get lastEventId (): string | undefined {
    return lastEventIdOf(this.#reply.request, this.#streams.lastEventIdParameter)
  }

  /** Returns what `app.sse.list()` shows. */
  describe (): SseStreamInfo {
    const { stream: { subscriber, state, queued, settings: { context } }, key } = this
    return { id: this.#reply.request.id, key, context, channels: subscriber?.channels ?? [], state, age: currentTime() - this.#createdAt, queued }
  }

  /** Starts to watch for the end of the connection, which may already be closed. */
  watch (): void {
    const { raw } = this.#reply
    if (isClosed(raw)) this.#close()
    else onceClosed(raw, () => this.#close())
  }

  // Called by the wrapped handler

  /**
   * @param value what the handler returned
   * @param async whether the handler returned a promise; then Fastify sends what it resolves to, even `undefined`
   * @returns what Fastify receives instead
   */
  handlerReturned (value: unknown, async: boolean): unknown {
    if (value === this.emitter || (value === undefined && (async || this.#replySent))) {
      this.stream.open()
      return this.#whenSettled()
    }
    // The handler opens the stream later, or sends a different response.
    if (!this.#replySent) return value
    if (value !== this.#reply) logIgnoredReturn(this.log)
    return this.#whenSettled()
  }

  /** @param error what the handler threw; rethrown if Fastify must answer with it */
  handlerThrew (error: unknown): Promise<void> | undefined {
    const { stream } = this
    if (isInstance(error, SSE_ERR_CLOSED) && stream.state === 'closed') {
      // The handler awaited a send, and the stream closed, for example because the client disconnected. That is no failure.
      return this.#whenSettled()
    }
    this.#handlerFailed = true
    if (stream.callbacks.failedWith(error) && this.#replySent) return this.#whenSettled()
    if (stream.state === 'closed' && this.#replySent) logLateFailure(this.log, error)
    else stream.completeWithError(error)
    if (!this.#replySent) throw toError(error)
    return this.#whenSettled()
  }

  // Called by the reply of a handler that is not wrapped

  /** Whether Fastify is done with the reply. */
  get settled (): boolean {
    return this.#settled
  }

  get handlerFailed (): boolean {
    return this.#handlerFailed
  }

  /** Whether the stream is the response. Fastify removes the content type before it calls an error handler, which then answers. */
  get answers (): boolean {
    return this.#replySent && this.#reply.getHeader('content-type') === this.#contentType
  }

  /** The handler returned the emitter, or called `reply.send(emitter)`. */
  emitterSent (): void {
    this.stream.open()
  }

  /** Resolves when Fastify is done with the reply; undefined if it already is. */
  #whenSettled (): Promise<void> | undefined {
    if (this.#settled) return undefined
    this.#onSettled ??= new Deferred()
    return this.#onSettled.promise
  }

  #settle (): void {
    this.#settled = true
    this.#onSettled?.resolve()
    this.#onSettled = undefined
  }

  // Called by EventStream

  open (): void {
    const reply = this.#reply
    // A reply that was sent or hijacked elsewhere cannot be opened. The `close` event of its response ends the stream.
    if (this.#replySent || this.#settled || reply.sent) return
    this.#replySent = true
    this.#status = reply.statusCode
    setStreamHeaders(reply).headers(this.#settings.headers)
    try {
      sendThroughFastify(reply, new Body(this, reply.raw))
    } catch (error) {
      // An invalid header.
      this.#sendError(error)
    }
  }

  fail (error: unknown): void {
    if (!this.#handlerFailed) this.#sendError(error)
  }

  decline (): void {
    this.#reply.code(204)
  }

  end (closeConnection: boolean): void {
    const { raw } = this.#reply
    if (this.#endBody === undefined) raw.end()
    else this.#endBody()
    if (closeConnection) closeAfterResponse(raw)
  }

  get origin (): SseStreamDiagnostic {
    return { request: this.#reply.request, reply: this.#reply, key: this.key }
  }

  cut (): void {
    cutConnection(this.#reply.raw)
  }

  #sendError (error: unknown): void {
    this.#replySent = true
    try {
      sendThroughFastify(this.#reply, toError(error))
    } catch (refusal) {
      // `reply.send()` throws while an `onError` hook handles another error.
      logUnansweredFailure(this.log, error, refusal)
    }
  }

  // Called by Body

  /**
   * Fastify, or a hook that wraps the body, pipes it to `destination`.
   *
   * @param end whether the destination ends with the body
   */
  bodyPiped (body: Body, destination: Destination, end: boolean): void {
    const { raw } = this.#reply
    // While a hook ran, the client may have disconnected, or a different response may have been sent. An error status that was
    // set since the stream was opened means that Fastify sends an error response, for example of a handler that timed out.
    const failed = raw.statusCode >= 400 && this.#status < 400
    if (raw.headersSent || raw.destroyed || failed) body.finish()
    else if (destination === raw as unknown) this.#pipeToResponse(body, end)
    else this.#pipeThrough(body, destination, end)
  }

  #pipeToResponse (body: Body, end: boolean): void {
    const { raw, request } = this.#reply
    this.#takeOver()
    if (request.method === 'HEAD' || raw.statusCode === 304) {
      raw.end()
      return
    }
    const transport = sendHeaders(raw)
    // If the reply has trailers, `end` is false: Fastify ends the response after the end of the body.
    if (end) body.release()
    else this.#endBody = () => body.finish()
    this.#attach(transport)
    this.#settle()
  }

  /** Writes to another stream, such as a compressor, which is piped to the response in turn. */
  #pipeThrough (body: Body, destination: Destination, end: boolean): void {
    const { raw } = this.#reply
    this.#endBody = () => {
      body.finish()
      if (end) destination.end()
    }
    raw.once('pipe', () => {
      this.#takeOver()
      raw.flushHeaders()
      this.#settle()
    })
    this.#attach(new StreamTransport(destination, raw))
  }

  #attach (transport: Transport): void {
    this.#piped = true
    this.stream.attach(transport)
  }

  /** Hijacks the reply and clears the timeouts of Fastify and the server. */
  #takeOver (): void {
    const { raw } = this.#reply
    this.#reply.hijack()
    clearTimeouts(raw)
    raw.removeHeader('content-length')
    // A hook may have overwritten the content type by accident. To change it deliberately, use the option `headers`.
    const contentType = this.#contentType
    if (raw.getHeader('content-type') !== contentType) raw.setHeader('content-type', contentType)
  }

  get #contentType (): string {
    return String(this.#settings.headers['content-type'] ?? CONTENT_TYPE)
  }

  #close (): void {
    const { raw } = this.#reply
    // The connection is closed, so Fastify must not send a response.
    this.#reply.hijack()
    this.#streams.remove(this)
    this.stream.close(closeReason(raw, this.#piped), isDelivered(raw))
    this.#settle()
  }
}
