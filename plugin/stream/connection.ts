import type { FastifyBaseLogger } from 'fastify'
import type { SseStreamDiagnostic } from '../base/diagnostics.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { FanOut } from '../channels/fan-out.ts'
import type { EventSerializers } from '../wire/event-schemas.ts'

/** The HTTP response of a stream, as the stream uses it. */
export interface StreamConnection {
  readonly log: FastifyBaseLogger
  /** What messages about the stream contain. */
  readonly origin: SseStreamDiagnostic
  /** The last event id that the client sent. */
  readonly lastEventId: string | undefined
  /** The serializers of events for which the route has a schema. */
  readonly serializers: EventSerializers | undefined
  /** Whether the response has no body, as for HEAD. */
  readonly headersOnly: boolean
  /** Whether the request was injected, so that there is no socket. */
  readonly isInjected: boolean
  /** Sends the headers, then calls the stream's `attach`, possibly before it returns. */
  open (): void
  /** Answers with an error instead of a stream. */
  fail (error: unknown): void
  /** Sets the status to 204 instead of opening a stream. */
  decline (): void
  /** Ends the response. @param closeConnection whether the connection is closed too, so that the client reconnects elsewhere */
  end (closeConnection: boolean): void
  /** Closes the connection immediately and discards queued data; on HTTP/2, only the stream's own part of it. */
  cut (): void
}

/** What all streams of an application share. */
export interface StreamContext {
  readonly wheel: TimerWheel
  readonly fanOut: FanOut
}
