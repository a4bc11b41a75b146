import type { FastifyRequest } from 'fastify'
import { anyFunction, boolean, describe, integer, nonEmptyString, oneOf, type Checks, type Option, type Resolved } from '../base/option-checks.ts'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import { resolveOptions } from '../base/options.ts'
import { STREAM_CHECKS, STREAM_DEFAULTS, type StreamOptions, type StreamSettings } from '../stream/options.ts'
import { isEventStream } from './headers.ts'

/** The options of `reply.sse()`. Options passed to `app.register(sse, options)` are the defaults of all streams. */
export interface SseStreamOptions extends StreamOptions {
  /**
   * Response headers of the stream. They override those of the reply and the plugin's defaults. `content-type` must remain
   * `text/event-stream`. Headers that frame the message (`content-length`, `transfer-encoding`, `connection`, …) are
   * rejected.
   *
   * @default {}
   */
  readonly headers?: Readonly<Record<string, string | number | string[]>> | undefined

  /**
   * Whether a request whose Accept header excludes event streams is answered with 406. Turn it off for protocols whose
   * clients send `accept: application/json` although they expect a stream.
   *
   * @default true
   */
  readonly accept?: boolean | undefined
}

/** The options of `app.register(sse, options)` that concern all connections. */
export interface ConnectionOptions {
  /**
   * The name of the query parameter in which a client may send its last event id when it cannot set the `Last-Event-ID`
   * header, such as a page that creates a new EventSource.
   *
   * @default 'lastEventId'
   */
  readonly lastEventIdParameter?: string | undefined

  /**
   * The maximum number of open streams in this process. Another one is refused with 503. 0 sets no limit. On Linux, a warning
   * is logged when the application listens if this process can't open that many files.
   *
   * @default 10000
   */
  readonly maxConnections?: number | undefined

  /**
   * Returns the key that a stream counts toward in `maxConnectionsPerKey`, and by which `app.sse` identifies it: for
   * example the user's id, or `request.ip`, which behind a proxy requires Fastify's option `trustProxy`. It must not be
   * async: look the key up in a hook, and decorate the request with it.
   *
   * @default undefined
   */
  readonly connectionKey?: ((request: FastifyRequest) => string | undefined) | undefined

  /**
   * The maximum number of open streams per key. Another one is refused with 429. 0 sets no limit. Requires
   * `connectionKey`.
   *
   * @default 0
   */
  readonly maxConnectionsPerKey?: number | undefined

  /**
   * The maximum number of open streams per HTTP/2 connection. Another one is refused with 429. 0 sets no limit. Raise it
   * behind a proxy that sends the requests of many clients over one HTTP/2 connection.
   *
   * HTTP/1.1 has one stream per connection: a request that is pipelined behind another response is refused with 429.
   *
   * @default 100
   */
  readonly maxStreamsPerConnection?: number | undefined

  /**
   * How a stream over a limit is refused:
   * - `'status'` answers 503 or 429 with Retry-After; a browser's EventSource then gives up for good
   * - `'retry'` answers 200 with a `retry:` field and ends, so that an EventSource reconnects later
   *
   * @default 'status'
   */
  readonly refuse?: 'status' | 'retry' | undefined
}

export type ReplySettings = StreamSettings & Resolved<Pick<SseStreamOptions, 'headers' | 'accept'>>

export type ConnectionSettings = Resolved<ConnectionOptions, 'connectionKey'>

export const REPLY_DEFAULTS: ReplySettings = { ...STREAM_DEFAULTS, headers: {}, accept: true }

export const REPLY_CHECKS: Checks<ReplySettings> = { ...STREAM_CHECKS, headers: streamHeaders, accept: boolean }

export const CONNECTION_DEFAULTS: ConnectionSettings = {
  lastEventIdParameter: 'lastEventId',
  maxConnections: 10_000,
  connectionKey: undefined,
  maxConnectionsPerKey: 0,
  maxStreamsPerConnection: 100,
  refuse: 'status'
}

export const CONNECTION_CHECKS: Checks<ConnectionSettings> = {
  lastEventIdParameter: nonEmptyString,
  maxConnections: integer(0, '', 'sets no limit'),
  connectionKey: anyFunction,
  maxConnectionsPerKey: integer(0, '', 'sets no limit'),
  maxStreamsPerConnection: integer(0, '', 'sets no limit'),
  refuse: oneOf('status', 'retry')
}

/**
 * Resolves the options of one stream.
 *
 * @param defaults the plugin's options
 * @throws SSE_ERR_OPTION
 */
export function resolveStreamOptions<Settings extends ReplySettings> (defaults: Settings, options: SseStreamOptions | undefined): Settings {
  if (isSource(options)) {
    throw new SSE_ERR_OPTION('The options of reply.sse() must be an object. To send the items of a source, pass it to emitter.sendAll()', `received ${describe(options)}`)
  }
  return resolveOptions('reply.sse()', options, defaults, REPLY_CHECKS as Checks<Settings>)
}

/** Whether a value was meant for `sendAll`. */
function isSource (value: unknown): boolean {
  if (typeof value === 'function') return true
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
}

/** Headers that frame the message. The server sets them; HTTP/2 forbids all but the first (RFC 9113, section 8.2.2). */
const FRAMING = new Set(['content-length', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** Checks response headers of a stream. Their names become lower case. */
function streamHeaders (value: unknown, option: Option): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return option.invalid('must be an object of header names and values', describe(value))
  const headers: Record<string, unknown> = {}
  for (const [key, header] of Object.entries(value)) {
    const name = key.toLowerCase()
    if (FRAMING.has(name)) option.entry(key).invalid('must be left to the server, which frames the message', describe(header))
    if (name === 'content-type' && !isEventStream(header)) option.entry(key).invalid('must be text/event-stream, optionally with parameters', describe(header))
    if (header !== undefined) headers[name] = header
  }
  return Object.freeze(headers)
}
