import { anyFunction, anyObject, boolean, integer, mustBe, oneOf, type Checks, type Resolved } from '../base/option-checks.ts'
import type { SseContext } from '../channels/options.ts'
import { isEventType, type SseSerializer } from '../wire/event.ts'
import type { EndLogLevel } from './reports.ts'

/** The options of one stream that do not depend on HTTP. */
export interface StreamOptions {
  /**
   * The lifetime of the stream in milliseconds, from when it opens. After that, `onTimeout` callbacks run and the stream
   * ends. 0 disables it. Sending does not extend it, as in Spring.
   *
   * @default 0
   */
  readonly timeout?: number | undefined

  /**
   * Milliseconds of silence before a heartbeat is sent, so that proxies keep the connection open and a client that has
   * disconnected is noticed. 0 disables it.
   *
   * @default 15000 (common proxies cut a connection that is idle for 30 to 60 s)
   */
  readonly heartbeat?: number | undefined

  /**
   * Sends heartbeats as events of this type, with empty data, so that scripts in a page can watch for them. By default a
   * heartbeat is a comment, which scripts cannot see.
   *
   * @default undefined
   */
  readonly heartbeatEvent?: string | undefined

  /**
   * Milliseconds that the client waits before it reconnects, sent when the stream opens. 0 makes it reconnect
   * immediately. By default the client decides; browsers wait about 3 s.
   *
   * @default undefined
   */
  readonly retry?: number | undefined

  /**
   * Bytes that may be queued for one slow client, at least 1024. A client that exceeds it is dropped with the reason
   * `slow`. While there is room, a single event larger than a quarter of this limit may exceed it.
   *
   * The limit is per client: as many bytes as this times the number of clients that read nothing must fit into the heap. Only
   * events that are sent without awaiting `send` queue up; those of channels wait in the history, once for all clients.
   *
   * @default 1048576
   */
  readonly maxBuffered?: number | undefined

  /**
   * What happens to a subscriber that falls so far behind that the channel's history no longer has what it needs next:
   * - `'close'` ends the stream with the reason `slow`; the client reconnects and receives `sse-gap`
   * - `'drop'` sends `sse-gap` and continues with the rest of the history
   * - `'latest'` does the same, and sends only the latest event of each key
   *
   * Events sent with `send` are in no history: a client with more than `maxBuffered` bytes of them queued is always
   * dropped.
   *
   * @default 'close'
   */
  readonly overflow?: 'close' | 'drop' | 'latest' | undefined

  /**
   * Milliseconds, at least 1, for which a client may accept nothing while bytes wait for it, even after the stream has
   * ended. The client is then dropped with the reason `slow`, regardless of `overflow`. Checks may delay that by up to a
   * quarter of this time. A client that accepts any bytes in this time is not dropped, however slow it is.
   *
   * @default 30000
   */
  readonly stallTimeout?: number | undefined

  /**
   * Serializes data that is not a string.
   *
   * @default JSON.stringify
   */
  readonly serializer?: SseSerializer | undefined

  /**
   * When the stream ends with the reason `expired`, for example when a token expires; the client then reconnects with a
   * new one. Milliseconds since 1970, or a Date. The `exp` of a JWT is in seconds: `exp * 1000`.
   *
   * The client first receives the event `sse-error` with the code `EXPIRED`, unless the stream is subscribed to channels
   * with `markers: false`.
   *
   * @default undefined (never)
   */
  readonly expiresAt?: number | Date | undefined

  /**
   * Writes `data: x` instead of `data:x`, for clients that expect the space. Both mean the same.
   *
   * @default false (Spring's form)
   */
  readonly spaceAfterColon?: boolean | undefined

  /**
   * The application's own object for the stream, such as its user. `filter` and `until` receive it, and `app.sse.list()` and
   * `app.sse.close()` show it. Declare its members in the interface `SseContext`.
   *
   * @default undefined
   */
  readonly context?: SseContext | undefined

  /**
   * The level of the log line for the end of a stream that has opened. `'silent'` writes none.
   *
   * @default 'info'
   */
  readonly endLogLevel?: EndLogLevel | undefined
}

export type StreamSettings = Resolved<StreamOptions, 'heartbeatEvent' | 'retry' | 'expiresAt' | 'context'>

export const STREAM_DEFAULTS: StreamSettings = {
  timeout: 0,
  heartbeat: 15_000,
  heartbeatEvent: undefined,
  retry: undefined,
  maxBuffered: 1024 * 1024,
  overflow: 'close',
  stallTimeout: 30_000,
  serializer: data => JSON.stringify(data),
  expiresAt: undefined,
  spaceAfterColon: false,
  context: undefined,
  endLogLevel: 'info'
}

/** Smaller values of `expiresAt` must be seconds: as milliseconds they are before 1973, as seconds before the year 5138. */
const EARLIEST_EXPIRY = 1e11

export const STREAM_CHECKS: Checks<StreamSettings> = {
  timeout: integer(0, 'milliseconds', 'disables it'),
  heartbeat: integer(0, 'milliseconds', 'disables it'),
  heartbeatEvent: mustBe('an event type, a non-empty string on one line', isEventType),
  retry: integer(0, 'milliseconds'),
  maxBuffered: integer(1024, 'bytes'),
  overflow: oneOf('close', 'drop', 'latest'),
  stallTimeout: integer(1, 'milliseconds'),
  serializer: anyFunction,
  expiresAt: (value, option) => {
    const time = value instanceof Date ? value.getTime() : value
    if (typeof time !== 'number' || !Number.isFinite(time)) return option.invalid('must be a Date or milliseconds since 1970', String(value))
    // The `exp` of a token is in seconds. Read as milliseconds, it is a day in 1970.
    return time >= EARLIEST_EXPIRY ? time : option.invalid('must be a Date or milliseconds since 1970, not seconds', String(value))
  },
  spaceAfterColon: boolean,
  context: anyObject,
  endLogLevel: oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent')
}
