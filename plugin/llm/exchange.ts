import { Agent, type Dispatcher } from 'undici'
import { Deferred } from '../base/deferred.ts'
import { Answer } from './answer.ts'
import type { BodyReader } from './body.ts'
import type { DeltaStream } from './delta-stream.ts'
import { ModelError, type ModelErrorCode } from './errors.ts'
import { readEvents } from './events.ts'
import { header, type Headers } from './headers.ts'
import { readLines } from './lines.ts'
import type { ModelSettings } from './options.ts'
import type { Protocol } from './protocol.ts'
import { errorOf, failure, refusal } from './refusal.ts'
import { readWhole } from './whole.ts'

/** Bytes that are read ahead of who takes the deltas. */
const AHEAD = 64 * 1024
/** Bytes of the body that are read of a response that is an error, and milliseconds that it may take. */
const ERROR_BYTES = 64 * 1024
const ERROR_TIME = 5_000
/** Bytes and milliseconds that may follow an answer, until the connection is free for the next request. */
const TAIL_BYTES = 64 * 1024
const TAIL_TIME = 1_000

export type ModelRequest = Pick<Dispatcher.DispatchOptions, 'origin' | 'path' | 'headers' | 'body'>

let shared: Agent | undefined

/** For all that have none of their own. Time is measured by us, but a connection that nobody waits for has to end. */
function sharedAgent (): Agent {
  shared ??= new Agent({ connect: { timeout: 60_000 } })
  return shared
}

/** One request and what comes back, given to a stream as deltas. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #protocol: Protocol
  readonly #settings: ModelSettings
  readonly #stream: DeltaStream
  readonly #answer: Answer
  readonly #settled = new Deferred<void>()
  #phase: 'connecting' | 'asking' | 'answering' | 'settled' = 'connecting'
  #controller: Dispatcher.DispatchController | undefined
  #reader: BodyReader | undefined
  /** What the response means where it is an error, as far as it was read. */
  #refusal: ModelError | undefined
  /** The only one: until there is a connection, a response, a delta, the next. */
  #timer: NodeJS.Timeout | undefined
  #started = false
  #ahead = 0
  #tail = 0

  constructor (protocol: Protocol, request: ModelRequest, settings: ModelSettings, stream: DeltaStream) {
    this.#protocol = protocol
    this.#settings = settings
    this.#stream = stream
    this.#answer = new Answer(delta => { stream.push(delta) })
    stream.stopped.addEventListener('abort', this.#onStopped)
    this.#expect(settings.connectTimeout, 'upstream_connect_timeout')
    try {
      (settings.dispatcher ?? sharedAgent()).dispatch({ ...request, method: 'POST', headersTimeout: 0, bodyTimeout: 0 }, this)
    } catch {
      this.#fail(new ModelError('upstream_unreachable'))
    }
  }

  /** Fulfilled when the answer is whole; rejected with a ModelError. */
  get settled (): Promise<void> {
    return this.#settled.promise
  }

  // From undici

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#phase === 'settled') return this.#abort()
    this.#phase = 'asking'
    this.#expect(this.#settings.firstByteTimeout, 'first_byte_timeout')
  }

  onResponseStart (_controller: unknown, status: number, headers: Headers): void {
    // 1xx is not yet the response.
    if (status < 200) return
    this.#phase = 'answering'
    if (status >= 400) return this.#readRefusal(status, headers)
    if (status >= 300) return this.#fail(new ModelError('redirected', { upstreamStatus: status }))
    this.#reader = this.#readerOf(headers)
    if (this.#reader === undefined) return this.#fail(new ModelError('bad_content_type', { upstreamStatus: status }))
    this.#expect(this.#settings.firstTokenTimeout, 'first_token_timeout')
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#phase === 'answering') {
      this.#take(chunk)
      if (this.#phase === 'answering' && !this.#stream.waiting && (this.#ahead += chunk.length) > AHEAD) controller.pause()
    } else if ((this.#tail += chunk.length) > TAIL_BYTES) {
      this.#abort()
    }
  }

  onResponseEnd (): void {
    if (this.#phase === 'answering') {
      this.#take(undefined)
      if (!this.#finish()) this.#fail(new ModelError('truncated'))
    }
    clearTimeout(this.#timer)
  }

  onResponseError (_controller: unknown, error: Error): void {
    if (this.#phase === 'connecting') this.#fail(unconnected(error))
    // Where the model has said why it stopped, all was said.
    else if (!this.#finish()) this.#fail(new ModelError('upstream_cut', { reason: systemCode(error) }))
    clearTimeout(this.#timer)
  }

  // What the body means

  #readerOf (headers: Headers): BodyReader | undefined {
    const { maxEventBytes } = this.#settings
    const type = header(headers, 'content-type')?.split(';', 1)[0]!.trim().toLowerCase()
    if ((header(headers, 'content-encoding') ?? 'identity') !== 'identity') return undefined
    // There are servers that know of no streams.
    if (type === 'application/json') return readWhole(maxEventBytes, data => { this.#protocol.readWhole(data, this.#answer) })
    if (type !== this.#protocol.type) return undefined
    return type === 'text/event-stream' ? readEvents(maxEventBytes, this.#onEvent) : readLines(maxEventBytes, this.#onEvent)
  }

  readonly #onEvent = (data: string, type?: string): void => {
    if (this.#answer.over) return
    if (type === 'error') throw failure(errorOf(data))
    this.#protocol.read(data, this.#answer)
  }

  #readRefusal (status: number, headers: Headers): void {
    const refuse = (body: string): ModelError => refusal(status, headers, body, this.#protocol.capsSpending === true)
    this.#refusal = refuse('')
    this.#reader = readWhole(ERROR_BYTES, body => { this.#refusal = refuse(body) })
    this.#expect(ERROR_TIME, 'idle_timeout')
  }

  /** Reads a piece of the body, or its end. */
  #take (chunk: Buffer | undefined): void {
    try {
      if (chunk === undefined) this.#reader!.end()
      else this.#reader!.feed(chunk)
    } catch (error) {
      if (!this.#answer.over) this.#fail(error instanceof ModelError ? error : new ModelError('bad_chunk'))
    }
    if (this.#answer.over) this.#finish()
    // It may have failed behind its first delta.
    else if (this.#phase === 'answering' && this.#stream.begun && !this.#started) this.#start()
  }

  /** The first delta is there. */
  #start (): void {
    this.#started = true
    this.#expect(this.#settings.idleTimeout, 'idle_timeout')
    this.#stream.onWanted = () => {
      this.#ahead = 0
      this.#timer!.refresh()
      this.#controller!.resume()
    }
  }

  // How it ends

  #expect (ms: number, otherwise: ModelErrorCode): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      // Where nobody waits, nothing is late; `onWanted` sets it anew.
      if (this.#started && !this.#stream.waiting) return
      if (!this.#finish()) this.#fail(new ModelError(otherwise))
    }, ms)
  }

  /** Ends well, where all was said. @returns whether it has ended */
  #finish (): boolean {
    if (this.#phase === 'settled') return true
    if (!this.#answer.endIfSaid()) return false
    this.#settle()
    // The connection is worth to be kept, if nothing more comes.
    this.#timer = setTimeout(() => { this.#abort() }, TAIL_TIME)
    this.#settled.resolve()
    return true
  }

  /** Does nothing more where it has ended already. */
  #fail (error: ModelError): void {
    this.#settle()
    this.#abort()
    this.#settled.reject(this.#refusal ?? error)
  }

  readonly #onStopped = (): void => {
    this.#settle()
    this.#abort()
    this.#settled.resolve()
  }

  #settle (): void {
    this.#phase = 'settled'
    clearTimeout(this.#timer)
    this.#stream.onWanted = undefined
    this.#stream.stopped.removeEventListener('abort', this.#onStopped)
  }

  #abort (): void {
    this.#controller?.abort(new Error('Nobody needs it any more'))
  }
}

function unconnected (error: Error): ModelError {
  const reason = systemCode(error)
  return new ModelError(reason === 'UND_ERR_CONNECT_TIMEOUT' ? 'upstream_connect_timeout' : 'upstream_unreachable', { reason })
}

/** The code of an error, which tells of no address, as its message does. */
function systemCode (error: Error): string | undefined {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(code) ? code : undefined
}
