import { Readable } from 'node:stream'
import { currentTime } from '../base/clock.ts'
import { toError } from '../base/failure.ts'
import { isNodeStream, iteratorOf } from '../stream/source.ts'
import { errorFromDisconnect, errorFromResponse } from './error-mapping.ts'
import { ModelError } from './model-error.ts'
import { isObject } from './protocols/json-shape.ts'
import { ERROR_BODY_TIMEOUT } from './request-timeouts.ts'
import { headerValue, isCompressed, type ResponseHeaders } from './response-headers.ts'

/** Characters read from the body of an error response. */
const MAX_ERROR_BODY = 64 * 1024

/** Media types are case-insensitive, and may be followed by parameters. */
const EVENT_STREAM = /^text\/event-stream\s*(?:;|$)/i

/** A `Response` of `fetch`, or the result of undici's `request()`. */
export type ResponseLike =
  | {
    readonly status: number
    readonly headers: Iterable<readonly [name: string, value: string]>
    readonly body: { getReader (): unknown } | null
  }
  | {
    readonly statusCode: number
    readonly headers: ResponseHeaders
    readonly body: AsyncIterable<unknown>
  }

type Chunks = AsyncIterator<Uint8Array | string>

/** A response whose body is read on demand. */
export class UpstreamResponse {
  readonly #status: number
  readonly #headers: ResponseHeaders
  readonly #isEncoded: boolean
  readonly #body: unknown
  readonly #chunks: Chunks | undefined
  #endRead: (() => void) | undefined
  #cancelled = false

  private constructor (status: number, headers: ResponseHeaders, isEncoded: boolean, body: unknown) {
    this.#status = status
    this.#headers = headers
    this.#isEncoded = isEncoded
    this.#body = body
    // An error that nothing listens for would end the process.
    if (isNodeStream(body)) body.on('error', () => {})
    if (body !== null) this.#chunks = iteratorOf(body) as Chunks
  }

  /** @returns undefined if the value is not a response, or if its body has been read */
  static from (response: unknown): UpstreamResponse | undefined {
    const { status, statusCode = status, headers, body } = Object(response) as Record<string, any>
    if (!Number.isInteger(statusCode) || !isObject(headers) || !(body === null || isUnread(body))) return undefined
    // The headers of `fetch` name the encoding that it has removed.
    if (Symbol.iterator in headers) return new UpstreamResponse(statusCode, Object.fromEntries(headers as Iterable<[string, string]>), false, body)
    return new UpstreamResponse(statusCode, headers as ResponseHeaders, isCompressed(headers as ResponseHeaders), body)
  }

  /** Whether the response was cancelled before its body has ended. */
  get cancelled (): boolean {
    return this.#cancelled
  }

  /** Returns why the response is not an event stream; undefined if it is. Reads the body of an error response. */
  async error (): Promise<ModelError | undefined> {
    const upstreamStatus = this.#status
    if (upstreamStatus >= 400) return errorFromResponse(upstreamStatus, this.#headers, await this.#readText(), false)
    // `fetch` shows a redirect that it does not follow as status 0.
    if (upstreamStatus < 200 || upstreamStatus >= 300) return new ModelError('redirected', { upstreamStatus })
    const isEventStream = EVENT_STREAM.test(headerValue(this.#headers, 'content-type') ?? '')
    return isEventStream && !this.#isEncoded ? undefined : new ModelError('bad_content_type', { upstreamStatus })
  }

  /**
   * Reads the next chunk of the body.
   *
   * @param timeout milliseconds to wait for it
   * @returns undefined at the end, and once the response is cancelled
   * @throws ModelError idle_timeout or upstream_cut
   */
  read (timeout: number): Promise<Uint8Array | undefined> {
    const chunks = this.#chunks
    if (chunks === undefined || this.#cancelled) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { reject(new ModelError('idle_timeout')) }, timeout)
      const settle = (chunk: Uint8Array | undefined): void => {
        clearTimeout(timer)
        resolve(chunk)
      }
      this.#endRead = () => { settle(undefined) }
      chunks.next().then(({ done, value }) => { settle(done === true ? undefined : toBytes(value)) }, error => {
        clearTimeout(timer)
        reject(errorFromBody(error))
      })
    })
  }

  /** Closes the connection, also while a chunk is being read. */
  cancel (): void {
    if (this.#cancelled) return
    this.#cancelled = true
    this.#endRead?.()
    if (isNodeStream(this.#body)) this.#body.destroy()
    // A response that has failed rejects with its error.
    this.#chunks?.return?.().catch(() => {})
  }

  /** Reads the beginning of the body as text. */
  async #readText (): Promise<string> {
    const decoder = new TextDecoder()
    const deadline = currentTime() + ERROR_BODY_TIMEOUT
    let text = ''
    try {
      while (text.length < MAX_ERROR_BODY) {
        const chunk = await this.read(Math.max(deadline - currentTime(), 0))
        if (chunk === undefined) break
        text += decoder.decode(chunk, { stream: true })
      }
    } catch {
      // What was received may be enough to classify the error.
    }
    return text
  }
}

function isUnread (body: unknown): boolean {
  if (!isObject(body) || !('getReader' in body || Symbol.asyncIterator in body)) return false
  return (body as ReadableStream).locked !== true && !Readable.isDisturbed(body as Readable)
}

function toBytes (chunk: Uint8Array | string): Uint8Array {
  return typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

function errorFromBody (error: unknown): ModelError {
  // `fetch` wraps errors of the connection.
  const { cause = error } = Object(error) as { cause?: unknown }
  if (Object(cause).code === 'UND_ERR_BODY_TIMEOUT') return new ModelError('idle_timeout', { cause })
  return errorFromDisconnect(toError(cause))
}
