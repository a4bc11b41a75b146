/** Takes the body of a response, piece by piece. Both methods throw a ModelError for what cannot be taken. */
export interface BodyReader {
  feed (chunk: Uint8Array): void
  /** There is no more. */
  end (): void
}
