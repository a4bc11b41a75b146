import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { Deferred } from '../base/deferred.ts'
import type { SseDiagnostics } from '../base/diagnostics.ts'
import type { SseReason } from '../base/errors.ts'
import { EventStreamParser } from '../wire/event-stream-parser.ts'

const STREAM_CLOSED = 'fastify-sse-emitter:stream:close'

/** The request of `injectSse()`. */
export interface InjectSseOptions {
  readonly url: string
  /** @default 'GET' */
  readonly method?: InjectOptions['method']
  readonly headers?: InjectOptions['headers']
  readonly payload?: InjectOptions['payload']
  /** The id of the last event that the client has received: its `Last-Event-ID` header. */
  readonly lastEventId?: string | undefined
  /** Disconnects the client when it is aborted. */
  readonly signal?: AbortSignal | undefined
}

/** An event as a browser dispatches it. */
export interface InjectedEvent {
  /** `message` for an event without a type. */
  readonly event: string
  readonly data: string
  /** The id of the event, or the last one before it; an empty string if there was none. */
  readonly id: string
}

/**
 * Sends a request to an application without a network, as `app.inject()` does, and reads the event stream of the response as it
 * is written.
 *
 * @returns a promise that resolves when the headers of the response are sent, whatever its status is. It rejects as
 *   `app.inject()` does
 */
export async function injectSse (app: FastifyInstance, options: InjectSseOptions): Promise<InjectedStream> {
  const { url, method = 'GET', headers, payload, lastEventId } = options
  const ends = new StreamEnds()
  try {
    const request: InjectOptions = { url, method, headers: lastEventId === undefined ? { ...headers } : { ...headers, 'last-event-id': lastEventId } }
    if (payload !== undefined) request.payload = payload
    const response = await app.inject({ ...request, payloadAsStream: true })
    return new InjectedStream(app, options, response, ends.of(response.raw.res))
  } finally {
    ends.forget()
  }
}

/** Observes why streams end. */
class StreamEnds {
  /** Until the response to observe is known, all that have ended. */
  #ended: Map<unknown, SseReason> | undefined = new Map()
  #response: unknown
  readonly #reason = new Deferred<SseReason>()

  constructor () {
    subscribe(STREAM_CLOSED, this.#listener)
  }

  readonly #listener = (message: unknown): void => {
    const { reply, reason } = message as SseDiagnostics[typeof STREAM_CLOSED]
    this.#ended?.set(reply.raw, reason)
    if (reply.raw === this.#response) this.#resolve(reason)
  }

  /** Returns why the stream of a response ends, or the response if it is no stream. */
  of (response: ServerResponse): Promise<SseReason> {
    this.#response = response
    const reason = this.#ended?.get(response)
    if (reason !== undefined) this.#resolve(reason)
    // Without a stream, nothing is published.
    else if (response.destroyed) this.#resolve('complete')
    else response.once('close', () => { this.#resolve('complete') })
    return this.#reason.promise
  }

  forget (): void {
    this.#ended = undefined
    if (this.#response === undefined) unsubscribe(STREAM_CLOSED, this.#listener)
  }

  #resolve (reason: SseReason): void {
    this.#reason.resolve(reason)
    unsubscribe(STREAM_CLOSED, this.#listener)
  }
}

/** The response of `injectSse()`, as a client reads it. */
export class InjectedStream implements AsyncIterable<InjectedEvent> {
  readonly statusCode: number
  readonly headers: OutgoingHttpHeaders
  /** The texts of the comments that were received so far, heartbeats among them. */
  readonly comments: string[] = []
  /** The last `retry` that was received, in milliseconds. */
  retry: number | undefined
  /** Resolves with the reason why the stream has ended. Never rejects. */
  readonly closed: Promise<SseReason>
  readonly #app: FastifyInstance
  readonly #options: InjectSseOptions
  readonly #response: LightMyRequestResponse
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #parser: EventStreamParser
  readonly #events: InjectedEvent[] = []
  #lastEventId: string

  constructor (app: FastifyInstance, options: InjectSseOptions, response: LightMyRequestResponse, closed: Promise<SseReason>) {
    this.statusCode = response.statusCode
    this.headers = response.headers
    this.closed = closed
    this.#app = app
    this.#options = options
    this.#response = response
    this.#chunks = response.stream()[Symbol.asyncIterator]()
    this.#lastEventId = options.lastEventId ?? ''
    this.#parser = new EventStreamParser({ lastEventId: this.#lastEventId })
    options.signal?.addEventListener('abort', () => { this.leave() }, { once: true })
    if (options.signal?.aborted === true) this.leave()
  }

  /** Returns the next event, or undefined at the end of the stream. */
  async next (): Promise<InjectedEvent | undefined> {
    while (this.#events.length === 0) {
      // A stream that is cut off ends here too; `closed` says why.
      const chunk = await this.#chunks.next().catch(() => ({ done: true as const, value: undefined }))
      if (chunk.done === true) return undefined
      this.#parse(chunk.value)
    }
    const event = this.#events.shift()!
    this.#lastEventId = event.id
    return event
  }

  #parse (chunk: Uint8Array): void {
    for (const item of this.#parser.push(chunk)) {
      if (item.kind === 'event') this.#events.push({ event: item.type, data: item.data, id: item.lastEventId })
      else if (item.kind === 'comment') this.comments.push(item.text)
      else if (item.kind === 'retry') this.retry = item.retry
    }
  }

  /** Returns the next `count` events. Rejects if the stream ends before. */
  async take (count: number): Promise<InjectedEvent[]> {
    return await this.#collect(events => events.length === count, `${count} in total`)
  }

  /** Returns the next events up to the first for which `predicate` returns true. Rejects if the stream ends before. */
  async until (predicate: (event: InjectedEvent) => boolean): Promise<InjectedEvent[]> {
    return await this.#collect(events => events.length > 0 && predicate(events.at(-1)!), 'another event')
  }

  async #collect (isComplete: (events: readonly InjectedEvent[]) => boolean, expected: string): Promise<InjectedEvent[]> {
    const events: InjectedEvent[] = []
    while (!isComplete(events)) {
      const event = await this.next()
      if (event === undefined) throw new Error(`The stream ended after ${JSON.stringify(events)}; expected ${expected}`)
      events.push(event)
    }
    return events
  }

  async * [Symbol.asyncIterator] (): AsyncGenerator<InjectedEvent, void, undefined> {
    for (let event = await this.next(); event !== undefined; event = await this.next()) yield event
  }

  /** Disconnects the client. @returns a promise that resolves when the stream has ended */
  async leave (): Promise<void> {
    this.#response.raw.res.destroy()
    await this.closed
  }

  /** Sends the request again, with the id of the last event that was read from the stream. */
  async comeBack (): Promise<InjectedStream> {
    const lastEventId = this.#lastEventId === '' ? undefined : this.#lastEventId
    return await injectSse(this.#app, { ...this.#options, lastEventId })
  }
}
