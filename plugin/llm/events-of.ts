import { isThenable } from '../base/callbacks.ts'
import { Deferred } from '../base/deferred.ts'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import { abortSignal, boolean, describe, integer, type Checks, type Resolved } from '../base/option-checks.ts'
import { resolveOptions } from '../base/options.ts'
import { event, isEventId, isReserved, type SseEvent } from '../wire/event.ts'
import { EventStreamParser } from '../wire/event-stream-parser.ts'
import { errorFromAnswer, errorFromRequest, jsonOrText } from './error-mapping.ts'
import { ModelError } from './model-error.ts'
import { timeout } from './options.ts'
import { UpstreamResponse, type ResponseLike } from './upstream-response.ts'

/** The limits of reading an event stream. */
export interface EventsOptions {
  /**
   * Cancels the response: its connection closes, and the iteration rejects with the signal's reason.
   *
   * @default undefined
   */
  readonly signal?: AbortSignal | undefined

  /**
   * Whether events keep their ids. Set it to false for a run, or a stream that is subscribed to channels: their events have
   * ids of their own.
   *
   * @default true
   */
  readonly ids?: boolean | undefined

  /**
   * Milliseconds without any data, counted only while an event is requested. 0 sets no limit.
   *
   * @default 900000 (15 minutes, because a model may reason that long)
   */
  readonly idleTimeout?: number | undefined

  /**
   * The maximum size of one event in bytes.
   *
   * @default 1048576
   */
  readonly maxEventBytes?: number | undefined
}

/** The events of a response. Leaving the loop, or calling `return()`, cancels the response. */
export type ResponseEvents = AsyncGenerator<SseEvent<string>, void, undefined>

type EventsSettings = Resolved<EventsOptions, 'signal'>

const DEFAULTS: EventsSettings = { signal: undefined, ids: true, idleTimeout: 900_000, maxEventBytes: 1024 * 1024 }

const CHECKS: Checks<EventsSettings> = {
  signal: abortSignal,
  ids: boolean,
  idleTimeout: timeout,
  maxEventBytes: integer(1, 'bytes')
}

/**
 * Reads the event stream of any server, to relay it without interpreting it: yields its events, with their types and ids, as
 * `sendAll` and runs accept them. While no event is requested, reading from the server pauses.
 *
 * Comments and the server's `retry:` are not relayed. An id without an event applies to the next event. An event that the end
 * of the stream cuts off is discarded, as the HTML standard requires, and the iteration rejects with the code `truncated`. A
 * stream that ends after an event counts as complete.
 *
 * Events whose types begin with `sse-` come from another server that uses this package, and cannot be relayed. `sse-error`
 * makes the iteration reject with a ModelError whose code follows from the code and the message in the event, as for an error of
 * any other server: `upstream_failed` if they name no other kind. `sse-gap` and `sse-reset` make it reject with the code
 * `truncated`. The others are ignored.
 *
 * @param response a `Response` of `fetch`, the result of undici's `request()`, or any object with `statusCode`, `headers` and
 *   `body`; or a promise of one, such as `fetch(url)`: if the server can't be reached, the iteration rejects with a ModelError
 * @throws SSE_ERR_OPTION immediately, for a value that is not a response or whose body is being read, for an unknown option
 *   or an invalid value; while iterating, if a promise resolves with such a value
 * @throws ModelError while iterating, also for an error status or another content type than `text/event-stream`; if
 *   `options.signal` aborts, its reason instead. If a promise rejects with another error than one of the connection, that error
 */
export function eventsOf (response: ResponseLike | PromiseLike<ResponseLike>, options?: EventsOptions): ResponseEvents {
  const settings = resolveOptions('eventsOf()', options, DEFAULTS, CHECKS)
  return new EventIterator(isThenable(response) ? receive(response as PromiseLike<ResponseLike>) : toResponse(response), settings)
}

async function receive (promise: PromiseLike<ResponseLike>): Promise<UpstreamResponse> {
  let response: ResponseLike
  try {
    response = await promise
  } catch (error) {
    throw errorFromRequest(error)
  }
  return toResponse(response)
}

function toResponse (response: unknown): UpstreamResponse {
  const received = UpstreamResponse.from(response)
  if (received === undefined) {
    throw new SSE_ERR_OPTION('The argument of eventsOf() must be a response whose body is not being read, with `status` or `statusCode`, `headers` and `body`', `received ${describe(response)}`)
  }
  return received
}

/** Unlike that of a generator function, `return()` also ends a pending `next()`. */
class EventIterator implements ResponseEvents {
  readonly #settings: EventsSettings
  readonly #events: ResponseEvents
  /** Resolves with undefined if the iteration ends before there is a response. */
  readonly #received = new Deferred<UpstreamResponse | undefined>()
  #response: UpstreamResponse | undefined
  #hasEnded = false

  constructor (response: UpstreamResponse | Promise<UpstreamResponse>, settings: EventsSettings) {
    this.#settings = settings
    this.#events = this.#read()
    if (response instanceof UpstreamResponse) this.#receive(response)
    else response.then(this.#receive, this.#received.reject)
    settings.signal?.addEventListener('abort', this.#end)
    if (settings.signal?.aborted === true) this.#end()
  }

  next (): Promise<IteratorResult<SseEvent<string>, void>> {
    return this.#events.next()
  }

  return (): Promise<IteratorResult<SseEvent<string>, void>> {
    this.#end()
    return this.#events.return()
  }

  throw (error: unknown): Promise<IteratorResult<SseEvent<string>, void>> {
    this.#end()
    return this.#events.throw(error)
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.return()
  }

  readonly #end = (): void => {
    this.#hasEnded = true
    this.#settings.signal?.removeEventListener('abort', this.#end)
    this.#received.resolve(undefined)
    this.#response?.cancel()
  }

  readonly #receive = (response: UpstreamResponse): void => {
    this.#response = response
    this.#received.resolve(response)
    if (this.#hasEnded) response.cancel()
  }

  async * #read (): ResponseEvents {
    const { signal, ids, idleTimeout, maxEventBytes } = this.#settings
    const parser = new EventStreamParser({ maxLength: maxEventBytes, lengthOf: Buffer.byteLength, lengthError: () => new ModelError('too_large') })
    let id = ''
    try {
      const response = await this.#received.promise
      if (response === undefined) return signal?.throwIfAborted()
      const error = await response.error()
      if (error !== undefined && !response.cancelled) throw error
      for (let chunk = await response.read(idleTimeout); chunk !== undefined; chunk = await response.read(idleTimeout)) {
        for (const item of parser.push(chunk)) {
          signal?.throwIfAborted()
          if (item.kind !== 'event' || isMarker(item.type, item.data)) continue
          const { type, data, lastEventId } = item
          // An id applies until the next one, also for a client.
          const isNewId = ids && lastEventId !== id && isEventId(lastEventId)
          if (isNewId) id = lastEventId
          yield event(data, { ...type === 'message' ? {} : { event: type }, ...isNewId ? { id } : {} })
        }
      }
      signal?.throwIfAborted()
      if (parser.incomplete && !response.cancelled) throw new ModelError('truncated')
    } finally {
      this.#end()
    }
  }
}

/**
 * Whether another server that uses this package has sent an event for its own client.
 *
 * @throws ModelError if it reports a failure, or that events are missing
 */
function isMarker (type: string, data: string): boolean {
  if (type === 'sse-error') throw errorFromAnswer(jsonOrText(data))
  if (type === 'sse-gap' || type === 'sse-reset') throw new ModelError('truncated')
  return isReserved(type)
}
