import { EventStreamParser, type EventStreamItem } from '../wire/event-stream-parser.ts'
import { streamOf } from './answer.ts'
import { isPassing, messageOf, SseClientError } from './errors.ts'
import { Handover } from './handover.ts'
import { gapsIn, serverErrorIn } from './markers.ts'
import type { ConnectSettings, SseConnectionState } from './options.ts'
import { isForeign, onWake } from './page.ts'
import { Pause } from './pause.ts'
import { Retry, type Delay } from './retry.ts'
import type { SseConnection, SseMessage } from './sse-connection.ts'
import { Watchdog } from './watchdog.ts'

/** One connection, from `connect` until it is closed: request after request, with pauses between. */
export class Connection implements SseConnection {
  readonly closed: Promise<SseClientError | undefined>
  readonly #url: string
  readonly #settings: ConnectSettings
  readonly #retry: Retry
  readonly #watchdog: Watchdog
  readonly #handover = new Handover<SseMessage>()
  readonly #forgetPage: () => void
  #resolveClosed!: (error: SseClientError | undefined) => void
  #state: SseConnectionState = 'connecting'
  #lastEventId: string
  /** Ends the request that is under way. */
  #request = new AbortController()
  #pause: Pause | undefined
  #iterated = false
  /** Whether a request has left. */
  #sent = false
  /** The `Idempotency-Key` of the request that has left. */
  #key: string | null = null
  /** What the server says it ends the stream for. */
  #serverError: SseClientError | undefined

  /** @param url absolute */
  constructor (url: string, settings: ConnectSettings) {
    this.#url = url
    this.#settings = settings
    this.#lastEventId = settings.lastEventId
    this.#retry = new Retry(settings.retry)
    this.#watchdog = new Watchdog(settings.heartbeatTimeout, () => {
      this.#request.abort(new SseClientError('SSE_ERR_SILENT', `Nothing came for ${settings.heartbeatTimeout} ms`))
    })
    this.closed = new Promise(resolve => { this.#resolveClosed = resolve })
    this.#forgetPage = onWake(() => {
      this.#pause?.hurry()
      this.#watchdog.look()
    })
    settings.signal?.addEventListener('abort', this.close)
    // Whoever connects has the connection before anything is called.
    queueMicrotask(() => this.#run())
  }

  get state (): SseConnectionState {
    return this.#state
  }

  get lastEventId (): string {
    return this.#lastEventId
  }

  readonly close = (): void => { this.#end() }

  async * [Symbol.asyncIterator] (): AsyncGenerator<SseMessage, void> {
    if (this.#iterated || this.#settings.onEvent !== undefined) {
      throw new SseClientError('SSE_ERR_TAKEN', 'The events go elsewhere: to onEvent, or to who has iterated over them before')
    }
    this.#iterated = true
    try {
      for (let message = await this.#handover.take(); message !== undefined; message = await this.#handover.take()) yield message
    } finally {
      this.close()
    }
    const error = await this.closed
    if (error !== undefined) throw error
  }

  async #run (): Promise<void> {
    if (this.#settings.signal?.aborted) this.close()
    while (this.#state !== 'closed') {
      const error = await this.#attempt()
      const delay = error !== undefined && this.#mayRepeat(error) ? this.#retry.next(error.retryAfter) : undefined
      if (delay === undefined) this.#end(error)
      else await this.#wait(error!, delay)
    }
  }

  /** One request, from its headers to the end of its answer. @returns why it ended; undefined if there is no more to come */
  async #attempt (): Promise<SseClientError | undefined> {
    const request = this.#request = new AbortController()
    const error = await this.#follow(request.signal).catch(error => failureOf(error, request.signal))
    this.#watchdog.stop()
    this.#serverError = undefined
    // Lets go of an answer that was not read to its end.
    request.abort()
    return error
  }

  async #follow (signal: AbortSignal): Promise<SseClientError | undefined> {
    const response = await this.#ask(signal)
    if (response.status === 204) return undefined
    const body = await streamOf(response)
    this.#change('open')
    signal.throwIfAborted()
    this.#call(this.#settings.onOpen, response)
    await this.#read(body, signal)
    return this.#serverError ?? new SseClientError('SSE_ERR_ENDED', 'The stream has ended')
  }

  async #ask (signal: AbortSignal): Promise<Response> {
    const { method, body, credentials, idempotent } = this.#settings
    const headers = await this.#headers()
    signal.throwIfAborted()
    const key = headers.get('idempotency-key')
    if (this.#sent && key !== this.#key && !(idempotent ?? method === 'GET')) {
      throw new SseClientError('SSE_ERR_IDEMPOTENCY_KEY', 'The request was not sent again, since its Idempotency-Key has changed')
    }
    this.#key = key
    this.#sent = true
    const url = this.#resume(headers)
    this.#watchdog.start()
    const request = { method, headers, credentials, signal, cache: 'no-store', ...body !== undefined && { body } }
    const response = await fetch(url, request)
    signal.throwIfAborted()
    return response
  }

  async #headers (): Promise<Headers> {
    const { headers } = this.#settings
    try {
      const all = new Headers(typeof headers === 'function' ? await headers() : headers)
      if (!all.has('accept')) all.set('accept', 'text/event-stream')
      return all
    } catch (error) {
      throw new SseClientError('SSE_ERR_HEADERS', `There are no headers to connect with: ${messageOf(error)}`, { cause: error })
    }
  }

  /** Says in the request where the client stands. @returns its address */
  #resume (headers: Headers): string {
    const { lastEventIdParameter } = this.#settings
    if (this.#lastEventId === '') return this.#url
    if (lastEventIdParameter === null || !isForeign(this.#url)) {
      // A header holds bytes, each as a character.
      headers.set('last-event-id', Array.from(new TextEncoder().encode(this.#lastEventId), byte => String.fromCharCode(byte)).join(''))
      return this.#url
    }
    const url = new URL(this.#url)
    url.searchParams.set(lastEventIdParameter, this.#lastEventId)
    return url.href
  }

  async #read (body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    const parser = new EventStreamParser({
      lastEventId: this.#lastEventId,
      maxLength: this.#settings.maxEventLength,
      lengthError: max => new SseClientError('SSE_ERR_TOO_LARGE', `An event has more than ${max} characters, which is the option maxEventLength`)
    })
    const reader = body.getReader()
    for (;;) {
      this.#watchdog.start()
      const { done, value } = await reader.read()
      // Silence counts only while something is waited for.
      this.#watchdog.stop()
      if (done) return
      for (const item of parser.push(value)) {
        signal.throwIfAborted()
        await this.#handle(item)
      }
    }
  }

  async #handle (item: EventStreamItem): Promise<void> {
    switch (item.kind) {
      case 'retry':
        this.#retry.tell(item.retry)
        break
      case 'comment':
        this.#retry.succeed()
        break
      case 'id':
        this.#retry.succeed()
        this.#lastEventId = item.lastEventId
        break
      case 'event':
        this.#lastEventId = item.lastEventId
        await this.#dispatch({ type: item.type, data: item.data, id: item.lastEventId })
    }
  }

  async #dispatch (message: SseMessage): Promise<void> {
    const { onEvent, onReady, onGap, onReset } = this.#settings
    if (message.type === 'sse-error') {
      this.#serverError = serverErrorIn(message.data)
      return
    }
    this.#retry.succeed()
    switch (message.type) {
      case 'sse-heartbeat': return
      case 'sse-ready': return await this.#call(onReady)
      case 'sse-gap': return await this.#call(onGap, gapsIn(message.data))
      case 'sse-reset': return await this.#call(onReset)
      default: await (onEvent === undefined ? this.#handover.give(message) : this.#call(onEvent, message))
    }
  }

  #mayRepeat (error: SseClientError): boolean {
    const { idempotent, method } = this.#settings
    if (this.#state === 'closed' || !isPassing(error)) return false
    return !this.#sent || (idempotent ?? (method === 'GET' || this.#key !== null))
  }

  async #wait (error: SseClientError, delay: Delay): Promise<void> {
    const pause = this.#pause = new Pause(delay)
    this.#change('waiting')
    if (this.#state === 'waiting') this.#call(this.#settings.onError, error, { willRetry: true, delay: delay.delay })
    await pause.over
    this.#pause = undefined
    this.#change('connecting')
  }

  /** The only end there is. */
  #end (error?: SseClientError): void {
    if (this.#state === 'closed') return
    this.#change('closed')
    this.#request.abort()
    this.#pause?.end()
    this.#forgetPage()
    this.#settings.signal?.removeEventListener('abort', this.close)
    if (error !== undefined) this.#call(this.#settings.onError, error, { willRetry: false, delay: 0 })
    this.#resolveClosed(error)
    this.#handover.end()
  }

  #change (state: SseConnectionState): void {
    if (this.#state === 'closed' || this.#state === state) return
    this.#state = state
    this.#call(this.#settings.onState, state)
  }

  /** Calls back. @returns when what the callback promises is done; it does not reject */
  async #call<Args extends unknown[]> (callback: ((...args: Args) => unknown) | undefined, ...args: Args): Promise<void> {
    try {
      await callback?.(...args)
    } catch (error) {
      // Nobody catches it there, as if the callback had been called by the event loop.
      queueMicrotask(() => { throw error })
    }
  }
}

/** Why a request failed. */
function failureOf (error: unknown, { reason }: AbortSignal): SseClientError {
  // Not every browser fails with the reason of the signal.
  for (const known of [error, reason]) if (known instanceof SseClientError) return known
  return new SseClientError('SSE_ERR_NETWORK', `The connection failed: ${messageOf(error)}`, { cause: error })
}
