import type { DeltaWriter } from './delta-writer.ts'

/** A protocol for talking to models: how a request is made, and how the answer is read. */
export interface Protocol {
  /** Appended to the base URL. */
  readonly path: string
  /** Content type of a streamed answer. */
  readonly contentType: 'text/event-stream' | 'application/x-ndjson'
  /** Whether a 429 without Retry-After means that a spending limit was reached, so that retrying does not help. */
  readonly limitsSpending?: boolean
  /**
   * Whether a server may send nothing while the model generates a tool call. In other protocols, the call is announced, or its
   * arguments are sent in fragments.
   */
  readonly sendsWholeToolCalls?: boolean
  /** Headers sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** The headers that carry the API key. */
  authHeaders (apiKey: string): Readonly<Record<string, string>>
  /** Adds the fields that make the model stream its answer. */
  streamingBody (body: object): object
  /**
   * Reads the data of one event, or one line of NDJSON.
   *
   * @throws ModelError if the model reports a failure, or if the data is malformed
   */
  readEvent (data: string, writer: DeltaWriter): void
  /** Reads an answer that was not streamed. Throws like `readEvent`. */
  readWholeAnswer (data: string, writer: DeltaWriter): void
}
