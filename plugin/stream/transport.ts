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

/** Writes with `destination.write()`, where the response does not own its socket. */
export class StreamTransport implements Transport {
  readonly #destination: Destination
  #highWaterMark!: number
  #onDrain!: () => void
  #needDrain = false
  #queued = 0
  #awaitingDrain = false

  constructor (destination: Destination) {
    this.#destination = destination
  }

  begin (highWaterMark: number, onDrain: () => void): void {
    this.#highWaterMark = highWaterMark
    this.#onDrain = onDrain
  }

  write (text: string | SharedText): number {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text.buffer
    this.#queued += bytes.length
    // With a callback, a destroyed destination reports its error there instead of emitting `error`.
    const hasRoom = this.#destination.write(bytes, () => {
      this.#queued -= bytes.length
      this.#checkDrain()
    })
    if (!hasRoom && !this.#needDrain) {
      this.#needDrain = true
      this.#destination.once('drain', () => {
        this.#needDrain = false
        this.#checkDrain()
      })
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

  #checkDrain (): void {
    if (!this.#awaitingDrain || this.full) return
    this.#awaitingDrain = false
    this.#onDrain()
  }
}
