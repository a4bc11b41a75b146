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
 * An event stream that is connected to again whenever it breaks or ends, until it is closed: by `close()`, by the
 * option `signal`, by the server's status 204, or by an error after which there is no point in asking again.
 *
 * Where there is no `onEvent`, it is to be iterated over, once. An event is there when the loop asks for it, and nothing
 * is read that nobody asks for; leaving the loop closes the connection; an error that closes it is thrown.
 */
export interface SseConnection extends AsyncIterable<SseMessage> {
  readonly state: SseConnectionState
  /** The id after which it goes on when it connects again; empty where there is none. */
  readonly lastEventId: string
  /** Resolves when it is closed: with the error that closed it, or undefined. It does not reject. */
  readonly closed: Promise<SseClientError | undefined>
  /** Closes it. Nothing is called any more but `onState`. Does nothing when it is closed. */
  close (): void
}
