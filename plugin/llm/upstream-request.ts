import { Agent, type Dispatcher } from 'undici'
import { Deferred } from '../base/deferred.ts'
import type { ModelRequest } from './build-request.ts'
import type { DeltaStream } from './delta-stream.ts'
import { errorFromConnect, errorFromDisconnect, errorFromResponse } from './error-mapping.ts'
import { ModelError, type ModelErrorCode } from './model-error.ts'
import type { ModelSettings } from './options.ts'
import { DeltaWriter } from './protocols/delta-writer.ts'
import type { Protocol } from './protocols/protocol.ts'
import { RequestTimeouts } from './request-timeouts.ts'
import type { BodyReader } from './response-body/body-reader.ts'
import { selectReader } from './response-body/select-reader.ts'
import { textReader } from './response-body/text-reader.ts'
import type { ResponseHeaders } from './response-headers.ts'
import { UpstreamMessage } from './upstream-message.ts'

/** Bytes received without demand before the response is paused. */
const MAX_BUFFERED_BYTES = 64 * 1024
/** Bytes read from the body of an error response. */
const MAX_ERROR_BODY_BYTES = 64 * 1024
/** Bytes that may follow a complete answer before the connection is closed instead of reused. */
const MAX_TRAILING_BYTES = 64 * 1024

let defaultAgent: Agent | undefined

/**
 * The option `dispatcher`, or an agent shared by all requests. A connection attempt that is no longer awaited still has to end. A peer that
 * has vanished while the model reasons is detected by TCP: a probe after 30 s of silence, then one per second, ten times.
 */
export function dispatcherOf ({ dispatcher }: ModelSettings): Dispatcher {
  return dispatcher ?? (defaultAgent ??= new Agent({ connect: { timeout: 60_000, keepAliveInitialDelay: 30_000 } }))
}

/** Values of the request that the server may quote in an error. Short values of headers are no secrets. */
function secretsOf ({ apiKey = '', headers, baseURL }: ModelSettings): string[] {
  const others = [...Object.values(headers), baseURL.password, decodeURIComponent(baseURL.password), ...baseURL.searchParams.values()]
  return [apiKey, ...others.filter(value => value.length >= 8)].filter(Boolean)
}

/** Sends one HTTP request to a model and pushes the answer into a stream as deltas. */
export class UpstreamRequest implements Dispatcher.DispatchHandler {
  readonly #protocol: Protocol
  readonly #settings: ModelSettings
  readonly #stream: DeltaStream
  readonly #writer: DeltaWriter
  readonly #timeouts: RequestTimeouts
  readonly #settled = new Deferred<void>()
  #phase: 'connecting' | 'sent' | 'responding' | 'settled' = 'connecting'
  #controller: Dispatcher.DispatchController | undefined
  #reader: BodyReader | undefined
  /** Set if the response is an error; more precise once its body has been read. */
  #responseError: ModelError | undefined
  #firstDeltaReceived = false
  #bufferedBytes = 0
  #trailingBytes = 0

  /** @param writer writes the answer; the one of an earlier request that is continued */
  constructor (protocol: Protocol, request: ModelRequest, settings: ModelSettings, stream: DeltaStream, writer = new DeltaWriter(delta => { stream.push(delta) })) {
    this.#protocol = protocol
    this.#settings = settings
    this.#stream = stream
    this.#writer = writer
    this.#timeouts = new RequestTimeouts(settings, this.#onTimeout)
    stream.onCancel = this.#onCancel
    this.#timeouts.awaitConnection()
    try {
      // undici's own timeouts do not distinguish between the phases of a request.
      dispatcherOf(settings).dispatch({ method: 'POST', ...request, headersTimeout: 0, bodyTimeout: 0 }, this)
    } catch (cause) {
      this.#fail(new ModelError('upstream_unreachable', { cause }))
    }
  }

  /** Fulfilled when the answer is complete or the stream is cancelled; rejected with a ModelError, or with a bug. */
  get settled (): Promise<void> {
    return this.#settled.promise
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#phase === 'settled') return this.#abort()
    this.#phase = 'sent'
    this.#timeouts.awaitResponse()
  }

  onResponseStart (_controller: unknown, status: number, headers: ResponseHeaders): void {
    // Informational responses precede the actual one.
    if (status < 200) return
    this.#phase = 'responding'
    if (status >= 400) return this.#readErrorResponse(status, headers)
    if (status >= 300) return this.#fail(new ModelError('redirected', { upstreamStatus: status }))
    this.#reader = selectReader(status, headers, this.#protocol, this.#settings.maxEventBytes, this.#writer)
    if (this.#reader === undefined) return this.#fail(new ModelError('bad_content_type', { upstreamStatus: status }))
    this.#timeouts.awaitFirstDelta()
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase === 'responding') {
      this.#read(reader => { reader.feed(chunk) })
      // Before its first delta, a response fills no queue, and nothing would resume it.
      const isUnread = this.#phase === 'responding' && this.#firstDeltaReceived && !this.#stream.hasDemand
      if (isUnread && (this.#bufferedBytes += chunk.length) > MAX_BUFFERED_BYTES) controller.pause()
    } else if ((this.#trailingBytes += chunk.length) > MAX_TRAILING_BYTES) {
      this.#abort()
    }
  }

  onResponseEnd (): void {
    if (this.#phase === 'responding') {
      this.#read(reader => { reader.end() })
      if (!this.#succeedIfFinished()) this.#fail(new ModelError('truncated'))
    }
    this.#timeouts.clear()
  }

  onResponseError (_controller: unknown, error: Error): void {
    if (this.#phase === 'connecting') this.#fail(errorFromConnect(error))
    else if (!this.#succeedIfFinished()) this.#fail(errorFromDisconnect(error))
    this.#timeouts.clear()
  }

  #readErrorResponse (status: number, headers: ResponseHeaders): void {
    const toError = (body: string): ModelError => errorFromResponse(status, headers, body, this.#protocol.limitsSpending === true)
    this.#responseError = toError('')
    this.#reader = textReader(MAX_ERROR_BODY_BYTES, body => { this.#responseError = toError(body) })
    this.#timeouts.awaitErrorBody()
  }

  #read (step: (reader: BodyReader) => void): void {
    this.#writer.progress = 'none'
    try {
      step(this.#reader!)
    } catch (error) {
      // Malformed data after the end of the answer does not matter. Any other error is a bug.
      if (!this.#writer.ended || !(error instanceof ModelError)) this.#fail(error)
    }
    if (this.#writer.ended) this.#succeedIfFinished()
    // The same chunk may contain the first delta and a failure.
    else if (this.#phase === 'responding' && this.#stream.hasPushed) {
      if (!this.#firstDeltaReceived) this.#onFirstDelta()
      this.#timeouts.dataReceived(this.#writer.progress, this.#stream.hasDemand)
    }
  }

  #onFirstDelta (): void {
    this.#firstDeltaReceived = true
    this.#timeouts.awaitNextDelta()
    this.#stream.onDemand = () => {
      this.#bufferedBytes = 0
      this.#timeouts.restart()
      this.#controller!.resume()
    }
  }

  readonly #onTimeout = (code: ModelErrorCode): void => {
    // Time without demand does not count; `onDemand` restarts the timeout.
    if (this.#firstDeltaReceived && !this.#stream.hasDemand) return
    if (!this.#succeedIfFinished()) this.#fail(new ModelError(code))
  }

  readonly #onCancel = (): void => {
    this.#settle()
    this.#abort()
    this.#settled.resolve()
  }

  /** Succeeds if the model has given its finish reason, however the response ends. @returns whether the request has settled */
  #succeedIfFinished (): boolean {
    if (this.#phase === 'settled') return true
    if (!this.#writer.endIfFinished()) return false
    this.#settle()
    // The connection can be reused if the response ends soon.
    this.#timeouts.awaitResponseEnd(() => { this.#abort() })
    this.#settled.resolve()
    return true
  }

  /** Has no effect on a request that has settled. */
  #fail (error: unknown): void {
    this.#settle()
    this.#abort()
    const failure = error instanceof ModelError ? this.#responseError ?? error : error
    if (failure instanceof ModelError && failure.cause instanceof UpstreamMessage) failure.cause.redact(secretsOf(this.#settings))
    this.#settled.reject(failure)
  }

  #settle (): void {
    this.#phase = 'settled'
    this.#timeouts.clear()
    this.#stream.onDemand = undefined
    this.#stream.onCancel = undefined
  }

  #abort (): void {
    this.#controller?.abort(new Error('The request is no longer needed'))
  }
}
