import type { Socket } from 'node:net'
import { chunk, type SharedText } from '../wire/shared-text.ts'

/** How the text of a stream reaches its client, once the headers are on their way. */
export interface Transport {
  /**
   * Before the first write.
   *
   * @param mark bytes from which on it is full, if it would not be with fewer
   * @param onDrain called when it was full and is not any more
   */
  begin (mark: number, onDrain: () => void): void
  /** Sends text, after everything that was sent before. @returns its length in bytes */
  write (text: string | SharedText): number
  /** Nothing more comes for now: lets go of what was held back for company. */
  flush (): void
  /** Whether more waits than should. */
  readonly full: boolean
  /** Bytes that wait, because the kernel (or whatever lies between) has not taken them. */
  readonly queued: number
}

/**
 * Straight to the socket of an HTTP/1.1 response with chunked framing. Each write is one chunk made in one piece;
 * `response.write` would hand the socket four pieces for it and cost three times as much.
 *
 * Only for a response that owns its socket and has flushed its headers: then nothing else writes there.
 */
export class SocketTransport implements Transport {
  readonly #socket: Socket
  #mark!: number
  #onDrain!: () => void
  /** For a mark below the socket's own, of which it does not tell. */
  #onWritten: (() => void) | undefined
  #awaitingDrain = false
  /** Until the first flush, so that headers and first event leave in one piece. */
  #corked: boolean

  /** @param corked whether the socket was corked before the headers */
  constructor (socket: Socket, corked: boolean) {
    this.#socket = socket
    this.#corked = corked
  }

  begin (mark: number, onDrain: () => void): void {
    this.#mark = mark
    this.#onDrain = onDrain
    if (mark < this.#socket.writableHighWaterMark) this.#onWritten = () => this.#look()
  }

  write (text: string | SharedText): number {
    const bytes = typeof text === 'string' ? Buffer.byteLength(text) : text.bytes
    // The client's half of the connection may have ended before the response hears of it.
    if (!this.#socket.writable) return bytes
    if (typeof text !== 'string') this.#socket.write(text.takeChunk(), 'latin1', this.#onWritten)
    // ASCII, which goes to the system without a Buffer in between; of other text, Node would not count the bytes.
    else if (bytes === text.length) this.#socket.write(chunk(text, bytes), 'latin1', this.#onWritten)
    else this.#socket.write(Buffer.from(chunk(text, bytes)), this.#onWritten)
    if (this.full && !this.#awaitingDrain) {
      this.#awaitingDrain = true
      if (this.#socket.writableNeedDrain) this.#socket.once('drain', () => this.#look())
    }
    return bytes
  }

  flush (): void {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }

  get full (): boolean {
    return this.#socket.writableNeedDrain || this.#socket.writableLength >= this.#mark
  }

  get queued (): number {
    return this.#socket.writableLength
  }

  #look (): void {
    if (!this.#awaitingDrain || this.full) return
    this.#awaitingDrain = false
    this.#onDrain()
  }
}

/** What a stream can be written to: a response of HTTP/2 or HTTP/1.0, an injected one, a compressor. */
export interface Destination extends NodeJS.WritableStream {
  /** Compressors have it: sends what they hold back for better compression. */
  flush? (): void
}

/** By `destination.write`, wherever the socket is not ours alone. */
export class StreamTransport implements Transport {
  readonly #destination: Destination
  #mark!: number
  #onDrain!: () => void
  #needDrain = false
  #queued = 0
  #awaitingDrain = false

  constructor (destination: Destination) {
    this.#destination = destination
  }

  begin (mark: number, onDrain: () => void): void {
    this.#mark = mark
    this.#onDrain = onDrain
  }

  write (text: string | SharedText): number {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text.buffer
    this.#queued += bytes.length
    // With a callback, a destination that was destroyed says so there and not by an error event.
    const room = this.#destination.write(bytes, () => {
      this.#queued -= bytes.length
      this.#look()
    })
    if (!room && !this.#needDrain) {
      this.#needDrain = true
      this.#destination.once('drain', () => {
        this.#needDrain = false
        this.#look()
      })
    }
    if (this.full) this.#awaitingDrain = true
    return bytes.length
  }

  flush (): void {
    this.#destination.flush?.()
  }

  get full (): boolean {
    return this.#needDrain || this.#queued >= this.#mark
  }

  get queued (): number {
    return this.#queued
  }

  #look (): void {
    if (!this.#awaitingDrain || this.full) return
    this.#awaitingDrain = false
    this.#onDrain()
  }
}
