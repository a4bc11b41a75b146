import { END_ID } from '../wire/end-id.ts'
import { EventStreamParser, type EventStreamItem } from '../wire/event-stream-parser.ts'
import { Backoff, type ReconnectDelay } from './backoff.ts'
import { onWake } from './browser-page.ts'
import { isTransient, messageOf, SseClientError } from './errors.ts'
import { readData } from './event-data.ts'
import { eventStreamBody } from './event-stream-response.ts'
import type { ConnectSettings, SseConnectionState } from './options.ts'
import { PullQueue } from './pull-queue.ts'
import { ReconnectTimer } from './reconnect-timer.ts'
import { RequestSender } from './request-sender.ts'
import { isServerEvent, parseGaps, parseServerError } from './server-events.ts'
import type { SseConnection, SseMessage } from './sse-connection.ts'
import { Watchdog } from './watchdog.ts'

type EventItem = Extract<EventStreamItem, { kind: 'event' }>

/** An event whose data may be parsed. */
type AnyMessage = SseMessage<string, unknown>

/** Reads an event stream, and reconnects after a delay whenever it ends or fails, until the connection is closed. */
export class Connection implements SseConnection<AnyMessage> {
  readonly closed: Promise<SseClientError | undefined>
  readonly #settings: ConnectSettings
  readonly #sender: RequestSender
  readonly #backoff: Backoff
  readonly #watchdog: Watchdog
  readonly #iterationQueue = new PullQueue<AnyMessage>()
  readonly #removeWakeListener: () => void
  #resolveClosed!: (error: SseClientError | undefined) => void
  #state: SseConnectionState = 'connecting'
  #lastEventId: string
  /** Aborts the current request. */
  #requestController = new AbortController()
  #reconnectTimer: ReconnectTimer | undefined
  #iterated = false
  /** The content of the `sse-error` received in the current response. */
  #serverError: SseClientError | undefined

  /** @param url absolute */
  constructor (url: string, settings: ConnectSettings) {
    this.#settings = settings
    this.#sender = new RequestSender(url, settings)
    this.#lastEventId = settings.lastEventId
    this.#backoff = new Backoff(settings.retry)
    this.#watchdog = new Watchdog(settings.heartbeatTimeout, () => {
      this.#requestController.abort(new SseClientError('SSE_CLIENT_ERR_TIMEOUT', `No data received for ${settings.heartbeatTimeout} ms`))
    })
    this.closed = new Promise(resolve => { this.#resolveClosed = resolve })
    this.#removeWakeListener = onWake(() => {
      this.#reconnectTimer?.shorten()
      this.#watchdog.check()
    })
    settings.signal?.addEventListener('abort', this.close)
    // Started in a microtask, so that the caller has the connection before any callback runs.
    queueMicrotask(() => this.#run())
  }

  get state (): SseConnectionState {
    return this.#state
  }

  get lastEventId (): string {
    return this.#lastEventId
  }

  readonly close = (): void => { this.#close() }

  async * [Symbol.asyncIterator] (): AsyncGenerator<AnyMessage, void> {
    if (this.#iterated || this.#settings.onEvent !== undefined) {
      throw new SseClientError('SSE_CLIENT_ERR_ITERATED', 'A connection can be iterated only once, and not if the option `onEvent` is set')
    }
    this.#iterated = true
    const queue = this.#iterationQueue
    try {
      for (let message = await queue.pull(); message !== undefined; message = await queue.pull()) yield message
    } finally {
      this.close()
    }
    const error = await this.closed
    if (error !== undefined) throw error
  }

  async #run (): Promise<void> {
    if (this.#settings.signal?.aborted) this.close()
    while (this.#state !== 'closed') {
      const error = await this.#connectOnce()
      const delay = error !== undefined && this.#mayReconnect(error) ? this.#backoff.next(error.retryAfter) : undefined
      if (delay === undefined) this.#close(error)
      else await this.#wait(error!, delay)
    }
  }

  /**
   * Sends one request and reads the response to its end.
   *
   * @returns why it ended; undefined if the server has no more events: it responded with 204, or its last event said so
   */
  async #connectOnce (): Promise<SseClientError | undefined> {
    const controller = this.#requestController = new AbortController()
    const error = await this.#readResponse(controller.signal).catch(error => toClientError(error, controller.signal))
    this.#watchdog.stop()
    this.#serverError = undefined
    // Cancels a response that was not read to its end.
    controller.abort()
    return error
  }

  async #readResponse (signal: AbortSignal): Promise<SseClientError | undefined> {
    const response = await this.#sender.send(this.#lastEventId, signal, () => { this.#watchdog.start() })
    if (response.status === 204) return undefined
    const body = await eventStreamBody(response)
    this.#setState('open')
    signal.throwIfAborted()
    this.#call(this.#settings.onOpen, response)
    await this.#readEvents(body, signal).catch(error => {
      // The client has everything, however the connection ends.
      if (this.#lastEventId !== END_ID) throw error
    })
    if (this.#lastEventId === END_ID) return undefined
    return this.#serverError ?? new SseClientError('SSE_CLIENT_ERR_ENDED', 'The server ended the stream')
  }

  async #readEvents (body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    const parser = new EventStreamParser({
      lastEventId: this.#lastEventId,
      maxLength: this.#settings.maxEventLength,
      lengthError: max => new SseClientError('SSE_CLIENT_ERR_TOO_LARGE', `An event has more than ${max} characters; increase the option \`maxEventLength\` to accept it`)
    })
    const reader = body.getReader()
    for (;;) {
      this.#watchdog.start()
      const { done, value } = await reader.read()
      // Time spent in callbacks does not count as silence.
      this.#watchdog.stop()
      if (done) return
      for (const item of parser.push(value)) {
        signal.throwIfAborted()
        await this.#handleItem(item, signal)
      }
    }
  }

  async #handleItem (item: EventStreamItem, signal: AbortSignal): Promise<void> {
    switch (item.kind) {
      case 'retry':
        this.#backoff.setReconnectionTime(item.retry)
        break
      case 'comment':
        this.#backoff.reset()
        break
      case 'id':
        this.#backoff.reset()
        this.#lastEventId = item.lastEventId
        break
      case 'event':
        await (isServerEvent(item.type) ? this.#handleServerEvent(item) : this.#deliver(item, signal))
    }
  }

  async #handleServerEvent ({ type, data, lastEventId }: EventItem): Promise<void> {
    const { onReady, onGap, onReset } = this.#settings
    this.#lastEventId = lastEventId
    if (type === 'sse-error') {
      this.#serverError = parseServerError(data)
      return
    }
    this.#backoff.reset()
    switch (type) {
      case 'sse-ready': return await this.#call(onReady)
      case 'sse-gap': return await this.#call(onGap, parseGaps(data))
      case 'sse-reset': return await this.#call(onReset)
    }
  }

  async #deliver ({ type, data: text, lastEventId: id }: EventItem, signal: AbortSignal): Promise<void> {
    const { onEvent, parse, schemas } = this.#settings
    const data = parse === undefined && schemas === undefined ? text : await readData(type, text, this.#settings)
    // The connection may have been closed meanwhile.
    signal.throwIfAborted()
    this.#lastEventId = id
    this.#backoff.reset()
    const message = { type, data, id }
    await (onEvent === undefined ? this.#iterationQueue.push(message) : this.#call(onEvent, message))
  }

  #mayReconnect (error: SseClientError): boolean {
    return this.#state !== 'closed' && isTransient(error) && this.#sender.maySend
  }

  async #wait (error: SseClientError, delay: ReconnectDelay): Promise<void> {
    const timer = this.#reconnectTimer = new ReconnectTimer(delay)
    this.#setState('waiting')
    if (this.#state === 'waiting') this.#call(this.#settings.onError, error, { willRetry: true, delay: delay.delay })
    await timer.elapsed
    this.#reconnectTimer = undefined
    this.#setState('connecting')
  }

  #close (error?: SseClientError): void {
    if (this.#state === 'closed') return
    this.#setState('closed')
    this.#requestController.abort()
    this.#reconnectTimer?.cancel()
    this.#removeWakeListener()
    this.#settings.signal?.removeEventListener('abort', this.close)
    if (error !== undefined) this.#call(this.#settings.onError, error, { willRetry: false, delay: 0 })
    this.#resolveClosed(error)
    this.#iterationQueue.close()
  }

  #setState (state: SseConnectionState): void {
    if (this.#state === 'closed' || this.#state === state) return
    this.#state = state
    this.#call(this.#settings.onState, state)
  }

  /** Calls a callback and waits for the promise it returns. Never rejects. */
  async #call<Args extends unknown[]> (callback: ((...args: Args) => unknown) | undefined, ...args: Args): Promise<void> {
    try {
      await callback?.(...args)
    } catch (error) {
      // Thrown as an uncaught exception, as browsers do for an event listener that throws.
      queueMicrotask(() => { throw error })
    }
  }
}

function toClientError (error: unknown, { reason }: AbortSignal): SseClientError {
  // Some browsers reject with another error than the reason of the signal.
  for (const known of [error, reason]) if (known instanceof SseClientError) return known
  return new SseClientError('SSE_CLIENT_ERR_NETWORK', `The connection failed: ${messageOf(error)}`, { cause: error })
}
