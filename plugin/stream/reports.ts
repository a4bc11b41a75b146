import type { FastifyError } from '@fastify/error'
import { eventsMissed, streamClosed, streamOpened, streamRefused, streamSlow, type SseStreamDiagnostic } from '../base/diagnostics.ts'
import type { SseReason } from '../base/errors.ts'
import { writeLog, type LogLevel } from '../base/logging.ts'
import type { StreamConnection } from './connection.ts'

// What a stream reports in the log and through diagnostics channels.

/** The levels of the log line for the end of a stream. `silent` writes none. */
export type EndLogLevel = LogLevel | 'silent'

/** How a stream has ended. */
export interface StreamEnd {
  readonly reason: SseReason
  readonly events: number
  /** Bytes without HTTP framing. */
  readonly bytes: number
  /** Milliseconds since it opened; undefined if it never did. */
  readonly duration: number | undefined
}

export function reportOpen (connection: StreamConnection): void {
  if (streamOpened.hasSubscribers) streamOpened.publish({ ...connection.origin, lastEventId: connection.lastEventId })
}

export function reportRefusal (origin: SseStreamDiagnostic, error: FastifyError): void {
  if (streamRefused.hasSubscribers) streamRefused.publish({ ...origin, error })
}

/** @param queued bytes that wait for the client */
export function reportSlow (connection: StreamConnection, queued: number): void {
  if (streamSlow.hasSubscribers) streamSlow.publish({ ...connection.origin, queued })
}

/** @param reset whether the broker does not know the client's id */
export function reportGap (connection: StreamConnection, channels: readonly string[], reset: boolean): void {
  if (eventsMissed.hasSubscribers) eventsMissed.publish({ ...connection.origin, channels, reset })
}

export function reportEnd (connection: StreamConnection, level: EndLogLevel, end: StreamEnd): void {
  if (end.duration !== undefined && level !== 'silent') {
    const { key, reply } = connection.origin
    writeLog(connection.log, level, { sse: { ...end, key, route: reply.routeOptions.url } }, 'event stream closed')
  }
  if (streamClosed.hasSubscribers) streamClosed.publish({ ...connection.origin, ...end })
}
