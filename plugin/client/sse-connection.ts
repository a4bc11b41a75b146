import type { SseClientError } from './errors.ts'
import type { SseConnectionState } from './options.ts'

/** One event, as an EventSource would dispatch it. */
export interface SseMessage<out Type extends string = string, out Data = string> {
  /** The event's type; `message` if it has none. */
  readonly type: Type
  /** Text, unless the option `parse` or a schema says otherwise. */
  readonly data: Data
  /** The id to resume from after this event: its own, or the last one before it. */
  readonly id: string
}

/** The events of an event map: a union by type. */
export type SseMessageOf<Events> = { [Type in keyof Events & string]: SseMessage<Type, Events[Type]> }[keyof Events & string]

/** An event map whose data has not been parsed. */
export type SseTextOf<Events> = { readonly [Type in keyof Events]: string }

/**
 * A connection to an event stream. It reconnects whenever the stream breaks or ends, until it is closed: by `close()`, by
 * the option `signal`, by a response with status 204, or by an error that a retry would not fix.
 *
 * Without the option `onEvent`, iterate over it, once. Nothing is read before the loop requests the next event. Leaving
 * the loop closes the connection, and an error that closes the connection is thrown.
 */
export interface SseConnection<out Message = SseMessage> extends AsyncIterable<Message> {
  readonly state: SseConnectionState
  /** The id to resume from at the next reconnect; empty if there is none. */
  readonly lastEventId: string
  /** Resolves when the connection is closed: with the error that closed it, or undefined. Never rejects. */
  readonly closed: Promise<SseClientError | undefined>
  /** Closes the connection. After that, only `onState` is called, once. Does nothing if it is already closed. */
  close (): void
}
