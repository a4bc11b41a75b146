import { isCrossOrigin } from './browser-page.ts'
import { messageOf, SseClientError } from './errors.ts'
import type { ConnectSettings } from './options.ts'

/** Sends the requests of one connection, and never repeats one that may be sent only once. */
export class RequestSender {
  readonly #url: string
  readonly #settings: ConnectSettings
  #hasSent = false
  /** The `Idempotency-Key` of the request sent last. */
  #idempotencyKey: string | null = null

  /** @param url absolute */
  constructor (url: string, settings: ConnectSettings) {
    this.#url = url
    this.#settings = settings
  }

  /** Whether another request may be sent. */
  get maySend (): boolean {
    const { idempotent, method } = this.#settings
    return !this.#hasSent || (idempotent ?? (method === 'GET' || this.#idempotencyKey !== null))
  }

  /**
   * Sends a request, to resume after the last event ID.
   *
   * @param onSend called when the headers are complete
   * @throws SSE_CLIENT_ERR_HEADERS, SSE_CLIENT_ERR_IDEMPOTENCY_KEY; anything that `fetch` rejects with
   */
  async send (lastEventId: string, signal: AbortSignal, onSend: () => void): Promise<Response> {
    const { method, body, credentials } = this.#settings
    const headers = await this.#resolveHeaders()
    signal.throwIfAborted()
    this.#checkIdempotencyKey(headers)
    this.#hasSent = true
    const url = this.#addLastEventId(lastEventId, headers)
    onSend()
    const request = { method, headers, credentials, signal, cache: 'no-store', ...body !== undefined && { body } }
    const response = await fetch(url, request)
    signal.throwIfAborted()
    return response
  }

  async #resolveHeaders (): Promise<Headers> {
    const { headers } = this.#settings
    try {
      const resolved = new Headers(typeof headers === 'function' ? await headers() : headers)
      if (!resolved.has('accept')) resolved.set('accept', 'text/event-stream')
      return resolved
    } catch (error) {
      throw new SseClientError('SSE_CLIENT_ERR_HEADERS', `The request headers could not be created: ${messageOf(error)}`, { cause: error })
    }
  }

  #checkIdempotencyKey (headers: Headers): void {
    const { idempotent, method } = this.#settings
    const key = headers.get('idempotency-key')
    if (this.#hasSent && key !== this.#idempotencyKey && !(idempotent ?? method === 'GET')) {
      throw new SseClientError('SSE_CLIENT_ERR_IDEMPOTENCY_KEY', 'The request was not repeated because its Idempotency-Key changed')
    }
    this.#idempotencyKey = key
  }

  /** Adds the id as a header or, for another origin, as a query parameter. @returns the URL to request */
  #addLastEventId (lastEventId: string, headers: Headers): string {
    const { lastEventIdParameter } = this.#settings
    if (lastEventId === '') return this.#url
    if (lastEventIdParameter === null || !isCrossOrigin(this.#url)) {
      // Headers accept bytes only, each written as one character.
      headers.set('last-event-id', Array.from(new TextEncoder().encode(lastEventId), byte => String.fromCharCode(byte)).join(''))
      return this.#url
    }
    const url = new URL(this.#url)
    url.searchParams.set(lastEventIdParameter, lastEventId)
    return url.href
  }
}
