import type { FastifyError } from '@fastify/error'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { notPromise } from '../base/callbacks.ts'
import { SSE_ERR_CALLBACK, SSE_ERR_FULL, SSE_ERR_FULL_FOR_CONNECTION, SSE_ERR_FULL_FOR_KEY, SSE_ERR_NOT_ACCEPTABLE } from '../base/errors.ts'
import { isInstance } from '../base/failure.ts'
import { describe } from '../base/option-checks.ts'
import { jitter } from '../base/jitter.ts'
import { LinkedList } from '../base/linked-list.ts'
import type { StreamContext } from '../stream/connection.ts'
import type { Emitter } from '../stream/emitter.ts'
import { reportRefusal } from '../stream/reports.ts'
import { encode } from '../wire/event.ts'
import { acceptsEventStream } from './accept.ts'
import { ConnectionLimits } from './connection-limits.ts'
import { assertCanStream, isWrapped, setReplyStream, type Responder } from './handler.ts'
import { setStreamHeaders } from './headers.ts'
import { resolveStreamOptions, type ConnectionSettings, type ReplySettings, type SseStreamOptions } from './options.ts'
import { hasReceivedEnd } from './last-event-id.ts'
import { ReplyStream } from './reply-stream.ts'
import { isQueued, sessionOf } from './response.ts'
import { guardRefused } from './unwrapped-handler.ts'

/** Milliseconds before a reconnect if the option `retry` is not set: what browsers use by default. */
const DEFAULT_RETRY = 3_000

/** What the option `connectionKey` must return. */
const KEY_RULE = 'a string or undefined'

/** The errors of streams over a limit. */
const LIMITS: Array<new () => Error> = [SSE_ERR_FULL, SSE_ERR_FULL_FOR_KEY, SSE_ERR_FULL_FOR_CONNECTION]

/** All streams of one application, each from `reply.sse()` until its connection is closed. */
export class ReplyStreams implements Responder {
  readonly #settings: ReplySettings & ConnectionSettings
  readonly #context: StreamContext
  readonly #limits: ConnectionLimits
  readonly #streams = new LinkedList<ReplyStream>()
  /** Returns the reconnect delay of a stream that ends because of a shutdown; undefined before a shutdown. */
  #shutdownRetry: (() => number) | undefined
  /** Called when the last stream is closed. */
  #onEmpty = (): void => {}

  constructor (settings: ReplySettings & ConnectionSettings, context: StreamContext) {
    this.#settings = settings
    this.#context = context
    this.#limits = new ConnectionLimits(settings)
  }

  get size (): number {
    return this.#streams.size
  }

  [Symbol.iterator] (): Iterator<ReplyStream> {
    return this.#streams[Symbol.iterator]()
  }

  get lastEventIdParameter (): string {
    return this.#settings.lastEventIdParameter
  }

  /** Turns a reply into a stream. See `reply.sse()` for the errors it throws. */
  open (reply: FastifyReply, options: SseStreamOptions | undefined): Emitter {
    assertCanStream(reply)
    const settings = resolveStreamOptions<ReplySettings>(this.#settings, options)
    const { request } = reply
    if (settings.accept && !acceptsEventStream(request.headers.accept)) {
      const error = new SSE_ERR_NOT_ACCEPTABLE()
      reportRefusal({ request, reply, key: undefined }, error)
      throw error
    }
    const key = this.#keyOf(request)
    this.#admit(key, reply)
    const replyStream = new ReplyStream(reply, settings, key, this, this.#context)
    setReplyStream(reply, replyStream)
    this.#streams.add(replyStream)
    replyStream.watch()
    // A handler that is not wrapped was called nevertheless.
    if (hasReceivedEnd(request, this.lastEventIdParameter)) replyStream.stream.decline()
    // A request that arrived before the server closed may still be answered.
    if (this.#shutdownRetry !== undefined) replyStream.stream.shutDown(this.#shutdownRetry())
    return replyStream.emitter
  }

  #keyOf (request: FastifyRequest): string | undefined {
    const key = this.#settings.connectionKey?.(request)
    if (key === undefined || typeof key === 'string') return key
    throw new SSE_ERR_CALLBACK('connectionKey', KEY_RULE, `it returned ${describe(notPromise(key, 'connectionKey', KEY_RULE))}`)
  }

  #admit (key: string | undefined, reply: FastifyReply): void {
    const { raw } = reply
    try {
      // Otherwise, the stream would count until the response before it ends, which may be an endless stream.
      if (isQueued(raw)) throw new SSE_ERR_FULL_FOR_CONNECTION()
      this.#limits.add({ key, session: sessionOf(raw) })
    } catch (error) {
      reportRefusal({ request: reply.request, reply, key }, error as FastifyError)
      if (!isWrapped(reply)) guardRefused(reply, this)
      // Fastify adds the headers of an error to its response.
      throw Object.assign(error as Error, { headers: { 'retry-after': String(Math.ceil(jitter(this.retry) / 1_000)) } })
    }
  }

  respondIfEnded (reply: FastifyReply): boolean {
    if (!hasReceivedEnd(reply.request, this.lastEventIdParameter)) return false
    reply.code(204).send()
    return true
  }

  /** Answers a stream over a limit when the option `refuse` is `'retry'`. @returns whether it did */
  respondIfRefused (reply: FastifyReply, error: unknown): boolean {
    if (this.#settings.refuse !== 'retry') return false
    if (!LIMITS.some(limit => isInstance(error, limit))) return false
    setStreamHeaders(reply).code(200).send(encode(undefined, { retry: jitter(this.retry) }, this.#settings.spaceAfterColon))
    return true
  }

  /** Removes a stream whose connection is closed. */
  remove (replyStream: ReplyStream): void {
    this.#streams.remove(replyStream)
    this.#limits.remove(replyStream)
    if (this.size === 0) this.#onEmpty()
  }

  /** Ends every stream that is requested from now on, right after `reply.sse()`. @param retry as in `shutDown` */
  endNewStreams (retry: () => number): void {
    this.#shutdownRetry = retry
  }

  /** Ends all streams. @param retry returns the milliseconds after which a client reconnects */
  shutDown (retry: () => number): void {
    for (const { stream } of this) stream.shutDown(retry())
  }

  /** Closes all connections immediately. */
  cut (): void {
    for (const { stream } of this) stream.cut('shutdown')
  }

  /** Resolves when no stream is left. */
  async whenEmpty (): Promise<void> {
    if (this.size > 0) await new Promise<void>(resolve => { this.#onEmpty = resolve })
  }

  /** Milliseconds before a client that is refused or ended by the server reconnects, without jitter. */
  get retry (): number {
    return Math.max(this.#settings.retry ?? DEFAULT_RETRY, 1_000)
  }
}
