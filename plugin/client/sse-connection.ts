import type { SseClientError } from './errors.ts'
import type { SseConnectionState } from './options.ts'

/** One event, as an EventSource would dispatch it. */
export interface SseMessage {
  /** The event's type; `message` if it has none. */
  readonly type: string
  readonly data: string
  /** The id to resume from after this event: its own, or the last one before it. */
  readonly id: string
}

/**
 * A connection to an event stream. It reconnects whenever the stream breaks or ends, until it is closed: by `close()`, by
 * the option `signal`, by a response with status 204, or by an error that a retry would not fix.
 *
 * Without the option `onEvent`, iterate over it, once. Nothing is read before the loop requests the next event. Leaving
 * the loop closes the connection, and an error that closes the connection is thrown.
 */
export interface SseConnection extends AsyncIterable<SseMessage> {
  readonly state: SseConnectionState
  /** The id to resume from at the next reconnect; empty if there is none. */
  readonly lastEventId: string
  /** Resolves when the connection is closed: with the error that closed it, or undefined. Never rejects. */
  readonly closed: Promise<SseClientError | undefined>
  /** Closes the connection. After that, only `onState` is called, once. Does nothing if it is already closed. */
  close (): void
}
