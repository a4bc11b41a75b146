import type { Socket } from 'node:net'
import { chunk, type SharedText } from '../wire/shared-text.ts'

/** Writes the text of one stream to its client, once the headers are sent. */
export interface Transport {
  /**
   * Must be called before the first write.
   *
   * @param highWaterMark queued bytes from which the transport is full; it may be full with fewer
   * @param onDrain called when the transport was full and no longer is
   */
  begin (highWaterMark: number, onDrain: () => void): void
  /** Writes text after everything that was written before. @returns its length in bytes */
  write (text: string | SharedText): number
  /** Sends what was held back to be combined with later writes. */
  flush (): void
  /** Whether the sender should wait for a drain. */
  readonly full: boolean
  /** Bytes that the operating system, or a stream in between, has not accepted yet. */
  readonly queued: number
  /** A number that changes whenever the operating system, or a stream in between, accepts bytes. */
  readonly progress: number
  /** Calls back once everything has been handed to the socket or the stream, so that it can be ended. */
  finish (done: () => void): void
}

/** The internal object through which Node.js writes to a socket. */
interface Handle {
  /** Includes the bytes of `writeQueueSize`. */
  readonly bytesWritten: number
  /** Bytes that the operating system has not accepted yet. */
  readonly writeQueueSize: number
  /** The handle of the TCP connection, if this one is of TLS. */
  readonly _parent?: Handle
}

/**
 * Writes to the socket of an HTTP/1.1 response with chunked framing. Each write is one chunk in one piece;
 * `response.write()` would pass the socket four pieces and take three times as long.
 *
 * Only for a response that owns its socket and has flushed its headers, so that nothing else writes to it.
 */
export class SocketTransport implements Transport {
  readonly #socket: Socket
  #highWaterMark!: number
  #onDrain!: () => void
  /** Called after each write if the mark is below the socket's own: then the socket emits no `drain` for it. */
  #onWritten: (() => void) | undefined
  #awaitingDrain = false
  /** Until the first flush, so that the headers and the first events are sent in one piece. */
  #corked: boolean

  /** @param corked whether the socket was corked before the headers */
  constructor (socket: Socket, corked: boolean) {
    this.#socket = socket
    this.#corked = corked
  }

  begin (highWaterMark: number, onDrain: () => void): void {
    this.#highWaterMark = highWaterMark
    this.#onDrain = onDrain
    if (highWaterMark < this.#socket.writableHighWaterMark) this.#onWritten = () => this.#checkDrain()
  }

  write (text: string | SharedText): number {
    const bytes = typeof text === 'string' ? Buffer.byteLength(text) : text.bytes
    // The socket may have ended before the response emits `close`.
    if (!this.#socket.writable) return bytes
    if (typeof text !== 'string') this.#socket.write(text.takeChunk(), 'latin1', this.#onWritten)
    // Node.js passes ASCII to the operating system without a Buffer. For other text, it would not count the bytes.
    else if (bytes === text.length) this.#socket.write(chunk(text, bytes), 'latin1', this.#onWritten)
    else this.#socket.write(Buffer.from(chunk(text, bytes)), this.#onWritten)
    if (this.full && !this.#awaitingDrain) {
      this.#awaitingDrain = true
      if (this.#socket.writableNeedDrain) this.#socket.once('drain', () => this.#checkDrain())
    }
    return bytes
  }

  flush (): void {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }

  get full (): boolean {
    return this.#socket.writableNeedDrain || this.#socket.writableLength >= this.#highWaterMark
  }

  get queued (): number {
    return this.#socket.writableLength
  }

  get progress (): number {
    // The public properties of a socket change only when a whole write is done. Node.js itself uses these internal ones to
    // decide whether a socket has timed out.
    const { _handle: handle } = this.#socket as unknown as { _handle: Handle | null }
    if (handle === null) return 0
    const { bytesWritten, writeQueueSize } = handle._parent ?? handle
    return bytesWritten - writeQueueSize
  }

  finish (done: () => void): void {
    done()
  }

  #checkDrain (): void {
    if (!this.#awaitingDrain || this.full) return
    this.#awaitingDrain = false
    this.#onDrain()
  }
}

/** What a stream may be written to: a response over HTTP/2 or HTTP/1.0, an injected response, a compressor. */
export interface Destination extends NodeJS.WritableStream {
  /** Sends what a compressor holds back for better compression. */
  flush? (): void
}

/** Bytes of one write to a stream, so that a slow client makes progress with each of them. */
const PIECE = 16 * 1024

/**
 * Writes with `destination.write()`, where the response does not own its socket. What the destination has no room for waits
 * here, because it reports the progress of whole writes only.
 */
export class StreamTransport implements Transport {
  readonly #destination: Destination
  readonly #response: { readonly writableLength: number } | undefined
  readonly #held: Buffer[] = []
  #highWaterMark!: number
  #onDrain!: () => void
  #onFinished: (() => void) | undefined
  #needDrain = false
  #queued = 0
  #accepted = 0
  #awaitingDrain = false

  /** @param response what the destination is piped to, if it is a stream in between */
  constructor (destination: Destination, response?: { readonly writableLength: number }) {
    this.#destination = destination
    this.#response = response
  }

  begin (highWaterMark: number, onDrain: () => void): void {
    this.#highWaterMark = highWaterMark
    this.#onDrain = onDrain
  }

  write (text: string | SharedText): number {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text.buffer
    this.#queued += bytes.length
    if (!this.#needDrain && bytes.length <= PIECE) this.#writePiece(bytes)
    else {
      this.#held.push(bytes)
      this.#writeHeld()
    }
    if (this.full) this.#awaitingDrain = true
    return bytes.length
  }

  flush (): void {
    this.#destination.flush?.()
  }

  get full (): boolean {
    return this.#needDrain || this.#queued >= this.#highWaterMark
  }

  get queued (): number {
    return this.#queued
  }

  get progress (): number {
    // A compressor may have accepted everything while its client still has much to read.
    return this.#accepted - (this.#response?.writableLength ?? 0)
  }

  finish (done: () => void): void {
    if (this.#held.length === 0) done()
    else this.#onFinished = done
  }

  #writeHeld (): void {
    while (!this.#needDrain && this.#held.length > 0) {
      const bytes = this.#held.shift()!
      if (bytes.length > PIECE) this.#held.unshift(bytes.subarray(PIECE))
      this.#writePiece(bytes.subarray(0, PIECE))
    }
  }

  #writePiece (bytes: Buffer): void {
    // With a callback, a destroyed destination reports its error there instead of emitting `error`.
    const hasRoom = this.#destination.write(bytes, () => {
      this.#queued -= bytes.length
      this.#accepted += bytes.length
      this.#checkDrain()
    })
    if (hasRoom) return
    this.#needDrain = true
    this.#destination.once('drain', () => this.#drained())
  }

  #drained (): void {
    this.#needDrain = false
    if (this.#held.length > 0) {
      this.#writeHeld()
      this.flush()
      if (this.#held.length === 0) this.#onFinished?.()
    }
    this.#checkDrain()
  }

  #checkDrain (): void {
    if (!this.#awaitingDrain || this.full) return
    this.#awaitingDrain = false
    this.#onDrain()
  }
}

/**
 * Writes to an injected response. It is full only while its body is not read: the response itself reports writes through
 * `setImmediate()`, which tests may fake.
 */
export class InjectedTransport extends StreamTransport {
  override begin (_highWaterMark: number, onDrain: () => void): void {
    super.begin(Infinity, onDrain)
  }
}
