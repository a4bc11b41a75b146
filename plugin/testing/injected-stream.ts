import type { OutgoingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import type { LightMyRequestResponse } from 'fastify'
import type { SseReason } from '../base/errors.ts'
import { isEventStream } from '../reply/headers.ts'
import { UnreadEvents, type InjectedEvent } from './unread-events.ts'

/** What an injected stream knows of its request. */
export interface InjectedRequest {
  /** The method and the URL, for messages. */
  readonly route: string
  readonly lastEventId: string | undefined
  /** Sends the request again. */
  readonly repeat: (lastEventId: string | undefined) => Promise<InjectedStream>
}

/** The response of `injectSse()`, as a client reads it. */
export class InjectedStream implements AsyncIterable<InjectedEvent> {
  readonly statusCode: number
  readonly headers: OutgoingHttpHeaders
  /**
   * Resolves with the reason when the response is complete or the client has disconnected. Never rejects. For a response that is
   * not an event stream, the reason is `complete`, or `client` if it was cut off.
   */
  readonly closed: Promise<SseReason>
  readonly #request: InjectedRequest
  readonly #response: LightMyRequestResponse
  readonly #unread: UnreadEvents | undefined
  #body: Promise<string> | undefined
  #lastEventId: string | undefined

  /** Use `injectSse()`. */
  constructor (request: InjectedRequest, response: LightMyRequestResponse, closed: Promise<SseReason>) {
    this.statusCode = response.statusCode
    this.headers = response.headers
    this.closed = closed
    this.#request = request
    this.#response = response
    this.#lastEventId = request.lastEventId
    // A response that is cut off emits an error, which nobody may read.
    response.stream().on('error', () => {})
    if (this.#isEventStream) this.#unread = new UnreadEvents(response.stream(), request.lastEventId ?? '')
  }

  get #isEventStream (): boolean {
    const { 'content-type': type, 'content-encoding': encoding } = this.headers
    return this.statusCode === 200 && encoding === undefined && isEventStream(type)
  }

  /** The texts of the comments that were received so far, heartbeats among them. Reading events is not necessary. */
  get comments (): readonly string[] {
    return this.#unread?.comments ?? []
  }

  /** The last `retry` that was received, in milliseconds. */
  get retry (): number | undefined {
    return this.#unread?.retry
  }

  /**
   * Resolves with the next event, or undefined at the end of the stream. Several calls may wait at once.
   *
   * @throws an error if the response is not an event stream, or is compressed
   */
  async next (): Promise<InjectedEvent | undefined> {
    if (this.#unread === undefined) throw await this.#notAnEventStream()
    const event = await this.#unread.next()
    // An empty id resets it.
    if (event !== undefined) this.#lastEventId = event.id || undefined
    return event
  }

  /**
   * Resolves with the next `count` events.
   *
   * @throws an error with the events so far if the stream ends first
   */
  async take (count: number): Promise<InjectedEvent[]> {
    return await this.#collect(events => events.length >= count, `${count} events`)
  }

  /**
   * Resolves with the next events, up to the first for which `predicate` returns true.
   *
   * @throws an error with the events so far if the stream ends first; what `predicate` throws
   */
  async until (predicate: (event: InjectedEvent) => boolean): Promise<InjectedEvent[]> {
    return await this.#collect(events => events.length > 0 && predicate(events.at(-1)!), 'an event that matches')
  }

  async #collect (isComplete: (events: readonly InjectedEvent[]) => boolean, expected: string): Promise<InjectedEvent[]> {
    const events: InjectedEvent[] = []
    while (!isComplete(events)) {
      const event = await this.next()
      if (event === undefined) {
        const received = inspect(events, { breakLength: Infinity, maxArrayLength: 20, maxStringLength: 200 })
        throw new Error(`${this.#request.route}: expected ${expected}; the stream ended (${await this.closed}) after ${received}`)
      }
      events.push(event)
    }
    return events
  }

  /** Yields all further events. Leaving the loop does not disconnect the client. */
  async * [Symbol.asyncIterator] (): AsyncGenerator<InjectedEvent, void, undefined> {
    for (let event = await this.next(); event !== undefined; event = await this.next()) yield event
  }

  /**
   * Resolves with the whole body of a response that is not an event stream.
   *
   * @throws an error if the response is an event stream, or was cut off
   */
  async body (): Promise<string> {
    if (this.#unread !== undefined) throw new Error(`${this.#request.route}: the response is an event stream; read it with next()`)
    this.#body ??= text(this.#response.stream())
    return await this.#body
  }

  async #notAnEventStream (): Promise<Error> {
    const { 'content-type': type = 'no content', 'content-encoding': encoding } = this.headers
    const { route } = this.#request
    if (encoding !== undefined) return new Error(`${route}: the response is compressed with ${encoding}; send no accept-encoding header`)
    return new Error(`${route}: the response is not an event stream; it has status ${this.statusCode} and ${type}: ${await this.body()}`)
  }

  /** Disconnects the client. Resolves when the stream has ended. */
  async leave (): Promise<void> {
    this.#response.raw.res.destroy()
    await this.closed
  }

  /** The id of the last event that was read from the stream; undefined if there was none. */
  get lastEventId (): string | undefined {
    return this.#lastEventId
  }

  /** Sends the request again, with `lastEventId`. */
  async comeBack (): Promise<InjectedStream> {
    return await this.#request.repeat(this.#lastEventId)
  }
}
