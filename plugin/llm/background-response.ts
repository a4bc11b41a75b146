import type { Dispatcher } from 'undici'
import type { ModelRequest } from './build-request.ts'
import { jsonOrText } from './error-mapping.ts'
import type { Protocol } from './protocols/protocol.ts'

/** Milliseconds to wait for each part of the response to a cancellation. */
const CANCEL_TIMEOUT = 10_000

/** The types of events after which the model sends no others. */
const LAST_EVENT = /^(?:error|response\.(?:completed|incomplete|failed|cancelled|error))$/

/**
 * A response of OpenAI's Responses in background mode. The server continues it without a connection, and can send the
 * events after a given position again.
 *
 * @see https://platform.openai.com/docs/guides/background
 */
export class BackgroundResponse {
  /** Reads events as the given protocol does, except those that were read before. */
  readonly protocol: Protocol
  readonly #request: ModelRequest
  #id: string | undefined
  #isNumbered = true
  #hasEnded = false
  /** The sequence number of the last event. */
  position = -1

  /** @param request creates the response */
  constructor (protocol: Protocol, request: ModelRequest) {
    this.#request = request
    this.protocol = {
      ...protocol,
      readEvent: (data, writer) => {
        if (this.#advance(data)) protocol.readEvent(data, writer)
      }
    }
  }

  /** Whether the server has created the response. */
  get isCreated (): boolean {
    return this.#id !== undefined
  }

  /** The request for the remaining events; at first, for all of them. Undefined if the response has ended or numbers no events. */
  get nextRequest (): ModelRequest | undefined {
    if (!this.isCreated) return this.#request
    if (this.#hasEnded || !this.#isNumbered) return undefined
    return this.#requestTo('GET', '', `stream=true&starting_after=${this.position}`)
  }

  /** Cancels the response, so that it costs nothing more. Does nothing if it has ended. Never throws. */
  cancel (dispatcher: Dispatcher): void {
    if (!this.isCreated || this.#hasEnded) return
    this.#hasEnded = true
    const ignore = (): void => {}
    try {
      dispatcher.dispatch({ ...this.#requestTo('POST', '/cancel', ''), headersTimeout: CANCEL_TIMEOUT, bodyTimeout: CANCEL_TIMEOUT }, {
        onRequestStart: ignore, onResponseStart: ignore, onResponseData: ignore, onResponseEnd: ignore, onResponseError: ignore
      })
    } catch {
      // The dispatcher is closed.
    }
  }

  /** Notes the position of an event. @returns whether it is new */
  #advance (data: string): boolean {
    const { type, response, sequence_number: position } = Object(jsonOrText(data)) as { type?: unknown, response?: { id?: unknown } | null, sequence_number?: unknown }
    if (typeof response?.id === 'string') this.#id ??= response.id
    // Another request may create another response, whose events are numbered from 0 again.
    if (!this.isCreated) return true
    const isNumbered = typeof position === 'number'
    if (isNumbered && position <= this.position) return false
    if (isNumbered) this.position = position
    else if (typeof type === 'string') this.#isNumbered = false
    if (LAST_EVENT.test(String(type))) this.#hasEnded = true
    return true
  }

  #requestTo (method: 'GET' | 'POST', subpath: string, query: string): ModelRequest & { method: 'GET' | 'POST' } {
    const { path, headers, body: _body, ...target } = this.#request
    const [pathname, search] = path.split('?')
    const { 'content-type': _type, ...others } = headers
    const parameters = [search, query].filter(Boolean).join('&')
    return { ...target, path: `${pathname}/${encodeURIComponent(this.#id!)}${subpath}${parameters && `?${parameters}`}`, method, headers: others }
  }
}
