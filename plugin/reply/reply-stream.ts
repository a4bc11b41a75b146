import { inspect } from 'node:util'
import type { FastifyBaseLogger, FastifyReply } from 'fastify'
import { Body, type BodyOwner } from './body.ts'
import { ListNode } from '../base/linked-list.ts'
import { Deferred } from '../base/deferred.ts'
import { Emitter, type Connection } from '../stream/emitter.ts'
import { SSE_ERR_CLOSED, type SseReason } from '../base/errors.ts'
import { CONTENT_TYPE, setStreamHeaders } from './headers.ts'
import { Follower, type FollowedEmitter } from '../channels/follower.ts'
import type { ReplySettings } from './options.ts'
import { clearTimeouts, cutOff, hangUp, hasDelivered, hasEnded, onOver, sendHeaders } from './response.ts'
import type { SseStream } from '../stream/sse-emitter.ts'
import type { Topics } from '../channels/topics.ts'
import { StreamTransport, type Destination, type Transport } from '../stream/transport.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'

/** What all streams of an application have in common. */
export interface ReplyStreamOwner {
  readonly wheel: TimerWheel
  readonly topics: Topics
  readonly lastEventIdParameter: string
  /** The connection is over. Called once. */
  streamClosed (joint: ReplyStream): void
}

/**
 * Where a Fastify reply and an emitter are joined.
 *
 * Opening is `reply.send(body)`: Fastify runs its `onSend` hooks, sets the headers and calls `body.pipe(destination)`.
 * There the connection is taken over. Until then Fastify may still answer otherwise, to a HEAD request, with status
 * 204, or because a hook throws or replaces the body, and then `pipe` is not called. The response's `close` comes after
 * each of these, and is the one place where an ending is learnt.
 */
export class ReplyStream extends ListNode implements Connection, BodyOwner {
  readonly emitter: Emitter
  /** Whose stream it is. */
  readonly key: string | undefined
  readonly #since = performance.now()
  readonly #reply: FastifyReply
  readonly #settings: ReplySettings
  readonly #owner: ReplyStreamOwner
  /** Whether Fastify was given an answer: the body, or an error in its place. */
  #answered = false
  /** The response's status at that time. */
  #status = 200
  /** Whether the stream's text goes to the client, directly or by way of another stream. */
  #piped = false
  /** Ends the body, where that is not just the end of the response. */
  #endBody: (() => void) | undefined
  /** Whether the handler has failed, so that Fastify answers with what it threw. */
  #handlerFailed = false
  /** Whether the reply is in our hands, or over: then Fastify has nothing to answer any more. */
  #settled = false
  #onSettled: Deferred<void> | undefined

  constructor (reply: FastifyReply, settings: ReplySettings, key: string | undefined, owner: ReplyStreamOwner) {
    super()
    this.key = key
    this.#reply = reply
    this.#settings = settings
    this.#owner = owner
    this.emitter = new Emitter(this, settings, owner.wheel)
  }

  get log (): FastifyBaseLogger {
    return this.#reply.log
  }

  get lastEventId (): string | undefined {
    const { headers, url } = this.#reply.request.raw
    const header = headers['last-event-id']
    // Clients send UTF-8 (HTML standard); Node reads header values as Latin-1.
    if (typeof header === 'string' && header !== '') return Buffer.from(header, 'latin1').toString()
    // Not Fastify's query, from which a schema may have taken what it does not know.
    const query = url!.indexOf('?')
    if (query === -1) return undefined
    return new URLSearchParams(url!.slice(query)).get(this.#owner.lastEventIdParameter) || undefined
  }

  /** What `app.sse` tells of it. */
  describe (): SseStream {
    const { emitter, key } = this
    return { id: this.#reply.request.id, key, channels: emitter.channels, state: emitter.state, age: performance.now() - this.#since, queued: emitter.queued }
  }

  /** Begins to watch for the end of the connection, which may be past. */
  watch (): void {
    const { raw } = this.#reply
    if (hasEnded(raw)) this.#over()
    else onOver(raw, () => this.#over())
  }

  // From the handler

  /**
   * @param value what the handler returned
   * @param late whether it did by a promise: then Fastify takes `undefined` for an answer
   * @returns what Fastify shall have in its place
   */
  handlerReturned (value: unknown, late: boolean): unknown {
    if (value === this.emitter || (value === undefined && (late || this.#answered))) {
      this.emitter.open()
      // An emitter that the hub ended before it was open.
      this.open()
      return this.#whenSettled()
    }
    // A handler with a callback that is to come; or one that answers otherwise.
    if (!this.#answered) return value
    if (value !== this.#reply) {
      this.log.warn('the handler has opened an event stream and returned something else, which is not sent: return the emitter, or nothing')
    }
    return this.#whenSettled()
  }

  /** @param error what the handler threw; thrown on if Fastify has to answer with it */
  handlerThrew (error: unknown): Promise<void> | undefined {
    const { emitter } = this
    if (error instanceof SSE_ERR_CLOSED && emitter.state === 'closed') {
      // It was about to send to a client that has left, which is no failure.
      this.open()
      return this.#whenSettled()
    }
    this.#handlerFailed = true
    if (emitter.failedWith(error) && this.#answered) return this.#whenSettled()
    if (emitter.state === 'closed' && this.#answered) this.log.error({ err: error }, 'the handler failed after its event stream had ended')
    else emitter.completeWithError(error)
    if (!this.#answered) throw error
    return this.#whenSettled()
  }

  /** What a handler waits for, so that Fastify does not answer as well; nothing, where that is past. */
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

  // From the emitter

  follow (emitter: FollowedEmitter): Follower {
    return new Follower(emitter, this.#owner.topics)
  }

  open (): void {
    const reply = this.#reply
    // Sent or hijacked by other hands, its close will come all the same.
    if (this.#answered || reply.sent) return
    this.#answered = true
    this.#status = reply.statusCode
    setStreamHeaders(reply).headers(this.#settings.headers)
    try {
      reply.send(new Body(this, reply.raw))
    } catch (error) {
      // A header that cannot be written.
      this.#answer(error)
    }
  }

  fail (error: unknown): void {
    if (!this.#handlerFailed) this.#answer(error)
  }

  decline (): void {
    this.#reply.code(204)
  }

  end (last: boolean): void {
    const { raw } = this.#reply
    if (this.#endBody === undefined) raw.end()
    else this.#endBody()
    if (last) hangUp(raw)
  }

  cut (): void {
    cutOff(this.#reply.raw)
  }

  #answer (error: unknown): void {
    this.#answered = true
    try {
      this.#reply.send(error instanceof Error ? error : new Error(inspect(error), { cause: error }))
    } catch (refusal) {
      // While an `onError` hook is busy with another error, Fastify takes no second one.
      this.log.error({ err: error, refusal }, 'event stream failed, and could not be answered with that')
    }
  }

  // From Fastify

  /** Fastify, or a hook that wraps the body, wants to have it written to `destination`. */
  bodyPiped (body: Body, destination: Destination, end: boolean): void {
    const { raw } = this.#reply
    // While a hook was busy, the client left or something else was answered; or the handler's time ran out, and an error
    // is on its way through the same hooks.
    const failed = raw.statusCode >= 400 && this.#status < 400
    if (raw.headersSent || raw.destroyed || failed) body.finish()
    else if (destination === raw as unknown) this.#pipeToResponse(body, end)
    else this.#pipeAside(body, destination, end)
  }

  #pipeToResponse (body: Body, end: boolean): void {
    const { raw, request } = this.#reply
    this.#takeOver()
    if (request.method === 'HEAD' || raw.statusCode === 304) {
      raw.end()
      return
    }
    const transport = sendHeaders(raw)
    // Where there are trailers, Fastify waits for the body to end, and then ends the response.
    if (end) body.release()
    else this.#endBody = () => body.finish()
    this.#attach(transport)
    this.#settle()
  }

  /** By way of another stream, a compressor for instance, which in turn is piped to the response. */
  #pipeAside (body: Body, destination: Destination, end: boolean): void {
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
    this.#attach(new StreamTransport(destination))
  }

  #attach (transport: Transport): void {
    this.#piped = true
    this.emitter.attach(transport)
  }

  /** The reply is ours: no timeout of Fastify's or the server's applies any more. */
  #takeOver (): void {
    const { raw } = this.#reply
    this.#reply.hijack()
    clearTimeouts(raw)
    raw.removeHeader('content-length')
    // A hook may have set another by accident; the option `headers` is where it is set on purpose.
    const contentType = this.#settings.headers['content-type'] ?? CONTENT_TYPE
    if (raw.getHeader('content-type') !== contentType) raw.setHeader('content-type', contentType)
  }

  #over (): void {
    const { raw } = this.#reply
    // There is nobody to answer any more.
    this.#reply.hijack()
    this.#owner.streamClosed(this)
    this.emitter.close(this.#reason, hasDelivered(raw))
    this.#settle()
  }

  /** Why the connection is over where the emitter has not ended it. */
  get #reason (): SseReason {
    const { raw } = this.#reply
    if (this.#piped || !raw.writableEnded) return 'client'
    return raw.statusCode >= 400 ? 'error' : 'complete'
  }
}
