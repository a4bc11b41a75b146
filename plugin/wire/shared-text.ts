/** Text that many clients receive. It is encoded once for each kind of transport. */
export class SharedText {
  readonly text: string
  /** The length of the text in bytes. */
  readonly bytes: number
  #buffer: Buffer | undefined
  #chunk: Buffer | undefined
  #chunkTaken = false

  constructor (text: string) {
    this.text = text
    this.bytes = Buffer.byteLength(text)
  }

  get buffer (): Buffer {
    this.#buffer ??= Buffer.from(this.text)
    return this.#buffer
  }

  /**
   * Returns the text as an HTTP/1.1 chunk. The first caller, which may be the only one, receives ASCII text as a string,
   * which Node.js writes without a copy. All other callers share one Buffer.
   */
  takeChunk (): string | Buffer {
    if (!this.#chunkTaken && this.bytes === this.text.length) {
      this.#chunkTaken = true
      return chunk(this.text, this.bytes)
    }
    this.#chunk ??= Buffer.from(chunk(this.text, this.bytes))
    return this.#chunk
  }
}

/** Encodes text as an HTTP/1.1 chunk (RFC 9112, section 7.1). @param bytes the length of the text in bytes */
export function chunk (text: string, bytes: number): string {
  return `${bytes.toString(16)}\r\n${text}\r\n`
}
