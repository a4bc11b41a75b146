/** Reads a response body chunk by chunk. Both methods throw a ModelError if the body is too large or malformed. */
export interface BodyReader {
  feed (chunk: Uint8Array): void
  /** Called once, after the last chunk. */
  end (): void
}
