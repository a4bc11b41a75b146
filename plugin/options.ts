import { inspect } from 'node:util'
import type { FastifyRequest } from 'fastify'
import type { SseBroker, SseHistory } from './channels/broker.ts'
import { eventType, isBoolean, isBroker, isFunction, isText, moment, oneOf, streamHeaders, whole, type Check } from './base/options.ts'
import type { SseEntry } from './wire/entry.ts'
import { SSE_ERR_OPTION } from './base/errors.ts'
import type { SseSerializer } from './wire/event.ts'

/** What one stream can be told, in `reply.sse(options)`; in `app.register(sse, options)` it is the default for all. */
export interface SseStreamOptions {
  /**
   * The stream's lifetime in milliseconds, from its opening: then `onTimeout` runs and the stream ends.
   * 0: no end. Sending does not extend it, as in Spring.
   *
   * @default 0
   */
  readonly timeout?: number | undefined

  /**
   * Milliseconds of silence after which a heartbeat goes out, so that proxies keep the connection and a client that
   * is gone is noticed. 0: none.
   *
   * @default 15000 (below the 30 to 60 s after which common proxies cut an idle connection)
   */
  readonly heartbeat?: number | undefined

  /**
   * Send heartbeats as events of this type, with empty data, which a page's script can see and watch for.
   * Unset: a comment, which only the connection sees.
   *
   * @default undefined
   */
  readonly heartbeatEvent?: string | undefined

  /**
   * The pause in milliseconds before the client reconnects, told at opening. 0: at once. Unset: the client's own,
   * in browsers about 3 s.
   *
   * @default undefined
   */
  readonly retry?: number | undefined

  /**
   * Bytes that may wait for one slow client, at least 1024. A client that would make it more is dropped with the
   * reason `slow`. Where there is room, an event of more than a quarter of this may exceed it.
   *
   * @default 1048576
   */
  readonly maxBuffered?: number | undefined

  /**
   * What happens to a subscriber of channels that has fallen behind by more than their history holds. `'close'` ends
   * its stream with the reason `slow`, so that it reconnects and is told by `sse-gap`; `'drop'` tells it so at once and
   * goes on with what is left; `'latest'` does that as well, and catches up with no more than the latest event of each
   * key. What is sent by `send` is not in any history: a client that would have more than `maxBuffered` of it wait is
   * dropped, whatever this says.
   *
   * @default 'close'
   */
  readonly overflow?: 'close' | 'drop' | 'latest' | undefined

  /**
   * Milliseconds that a client may leave a full connection without taking from it. Then it is dropped with the
   * reason `slow`, whatever `overflow` says. At least 1.
   *
   * @default 30000
   */
  readonly stallTimeout?: number | undefined

  /**
   * Turns data that is not a string into text.
   *
   * @default JSON.stringify
   */
  readonly serializer?: SseSerializer | undefined

  /**
   * Response headers of the stream; they win over those of the reply and over our defaults. `content-type` has to
   * stay an event stream. Headers that frame the message (`content-length`, `transfer-encoding`, `connection`, …)
   * are refused.
   *
   * @default {}
   */
  readonly headers?: Readonly<Record<string, string | number | string[]>> | undefined

  /**
   * Whether a request whose Accept header refuses event streams gets 406. Off for protocols whose clients ask with
   * `accept: application/json` all the same.
   *
   * @default true
   */
  readonly accept?: boolean | undefined

  /**
   * The moment at which the stream ends with the reason `expired`, for instance when a token does: the client then
   * reconnects and shows a new one. Milliseconds since 1970, or a Date.
   *
   * @default undefined (never)
   */
  readonly expiresAt?: number | Date | undefined

  /**
   * Write `data: x` in place of `data:x`, for clients that cut at a fixed length. The meaning is the same.
   *
   * @default false (Spring's form)
   */
  readonly spaceAfterColon?: boolean | undefined
}

/** What the plugin can be told, in `app.register(sse, options)`. */
export interface SsePluginOptions extends Omit<SseStreamOptions, 'expiresAt'> {
  /**
   * Where channels are kept. The plugin closes it with the application.
   *
   * @default memoryBroker(), which keeps them in this process
   */
  readonly broker?: SseBroker | undefined

  /**
   * The query parameter by which a client may say where it stands, where it cannot set the header `Last-Event-ID`: an
   * EventSource that a page makes anew.
   *
   * @default 'lastEventId'
   */
  readonly lastEventIdParameter?: string | undefined

  /**
   * Streams that may be open at once in this process. One more is refused with 503. 0: no limit.
   *
   * @default 10000
   */
  readonly maxConnections?: number | undefined

  /**
   * Runs that this process may have at once, those included that have ended and can still be watched. One more is
   * refused with 503. 0: no limit.
   *
   * @default 1000
   */
  readonly maxRuns?: number | undefined

  /**
   * Whose stream this is, for `maxConnectionsPerKey` and for `app.sse`: for instance the user's id, or `request.ip`.
   *
   * @default undefined
   */
  readonly connectionKey?: ((request: FastifyRequest) => string | undefined) | undefined

  /**
   * Streams of one key that may be open at once. One more is refused with 429. 0: no limit. Needs `connectionKey`.
   *
   * @default 0
   */
  readonly maxConnectionsPerKey?: number | undefined

  /**
   * How a stream over a limit is refused. `'status'`: 503 or 429 with Retry-After; a browser's EventSource then gives
   * up for good. `'retry'`: 200, a `retry:` and the end, so that it comes back later.
   *
   * @default 'status'
   */
  readonly refuse?: 'status' | 'retry' | undefined

  /**
   * Milliseconds that `app.close()` gives open streams to take their last bytes. 0: they are cut at once.
   *
   * @default 5000
   */
  readonly shutdownGrace?: number | undefined
}

/** How `emitter.subscribe` follows channels. */
export interface SseSubscribeOptions {
  /**
   * Where a client begins that does not say where it stands: `'now'`, `'start'` for all there is, or an id. A client
   * that comes back says so by the header `Last-Event-ID`, or else by the query parameter that the plugin's option
   * `lastEventIdParameter` names.
   *
   * @default 'now'
   */
  readonly from?: 'now' | 'start' | (string & {}) | undefined

  /**
   * Which events this client gets. What it throws ends the stream as an error.
   *
   * @default undefined (all)
   */
  readonly filter?: ((entry: SseEntry, channel: string) => boolean) | undefined

  /**
   * Whether the stream ends after this event, which the client gets. Not asked about events that `filter` keeps back.
   * What it throws ends the stream as an error.
   *
   * @default undefined (it goes on)
   */
  readonly until?: ((entry: SseEntry, channel: string) => boolean) | undefined

  /**
   * Whether the client is told where it stands: by an event of type `sse-ready`, `sse-gap` or `sse-reset`, before
   * anything else and when something is missing. Off for a stream that speaks another's protocol.
   *
   * @default true
   */
  readonly markers?: boolean | undefined
}

type Given<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }
type Unset = 'heartbeatEvent' | 'retry' | 'expiresAt' | 'connectionKey' | 'broker'
type Resolved<Options> = Given<Omit<Options, Unset>> & { readonly [Name in Unset & keyof Options]: Options[Name] }

/** Every option of one stream, checked, defaults filled in. */
export type StreamSettings = Resolved<SseStreamOptions>
/** Every option of the plugin, checked, defaults filled in; also the settings of a stream that says nothing else. */
export type Settings = StreamSettings & Resolved<SsePluginOptions>

const DEFAULTS: Settings = {
  timeout: 0,
  heartbeat: 15_000,
  heartbeatEvent: undefined,
  retry: undefined,
  maxBuffered: 1024 * 1024,
  overflow: 'close',
  stallTimeout: 30_000,
  serializer: data => JSON.stringify(data),
  headers: {},
  accept: true,
  expiresAt: undefined,
  spaceAfterColon: false,
  broker: undefined,
  lastEventIdParameter: 'lastEventId',
  maxConnections: 10_000,
  maxRuns: 1_000,
  connectionKey: undefined,
  maxConnectionsPerKey: 0,
  refuse: 'status',
  shutdownGrace: 5_000
}

const STREAM: Record<keyof StreamSettings, Check> = {
  timeout: whole(0, 'ms', '0 for none'),
  heartbeat: whole(0, 'ms', '0 for none'),
  heartbeatEvent: eventType,
  retry: whole(0, 'ms', '0 for at once'),
  maxBuffered: whole(1024, 'bytes'),
  overflow: oneOf('close', 'drop', 'latest'),
  stallTimeout: whole(1, 'ms'),
  serializer: isFunction,
  headers: streamHeaders,
  accept: isBoolean,
  expiresAt: moment,
  spaceAfterColon: isBoolean
}

const PLUGIN: Partial<Record<string, Check>> = {
  ...STREAM,
  expiresAt: name => { throw new SSE_ERR_OPTION(name, 'belongs to one stream: give it to reply.sse()', 'it in app.register()') },
  broker: isBroker,
  lastEventIdParameter: isText,
  maxConnections: whole(0, '', '0 for no limit'),
  maxRuns: whole(0, '', '0 for no limit'),
  connectionKey: isFunction,
  maxConnectionsPerKey: whole(0, '', '0 for no limit'),
  refuse: oneOf('status', 'retry'),
  shutdownGrace: whole(0, 'ms', '0 to cut at once'),
  // Fastify's own, given to every plugin.
  prefix: value => value,
  logLevel: value => value,
  logSerializers: value => value
}

/**
 * The plugin's options with their defaults.
 *
 * @throws SSE_ERR_OPTION for a value that an option cannot have, and for a name that is none
 */
export function resolvePluginOptions (options: SsePluginOptions): Settings {
  const settings = checked(DEFAULTS, options, PLUGIN)
  if (settings.maxConnectionsPerKey > 0 && settings.connectionKey === undefined) {
    throw new SSE_ERR_OPTION('maxConnectionsPerKey', 'needs `connectionKey`, which says whose a stream is', 'none')
  }
  return settings
}

/**
 * A stream's options over the plugin's.
 *
 * @throws SSE_ERR_OPTION for a value that an option cannot have, and for a name that is none
 */
export function resolveStreamOptions (defaults: StreamSettings, options: SseStreamOptions | undefined): StreamSettings {
  return options === undefined ? defaults : checked(defaults, options, STREAM)
}

/** How much of a channel is kept, where nothing else is said. */
const HISTORY: SseHistory = { count: 1_000, age: 10 * 60 * 1_000, bytes: 8 * 1024 * 1024 }

const HISTORY_CHECKS: Record<keyof SseHistory, Check> = {
  count: whole(0, 'events', '0 for no history'),
  age: whole(0, 'ms', '0 for no limit'),
  bytes: whole(1024, 'bytes')
}

/**
 * A channel's history, over the default.
 *
 * @throws SSE_ERR_OPTION for a value that a limit cannot have, and for a name that is none
 */
export function resolveHistory (history: object | undefined): SseHistory {
  return history === undefined ? HISTORY : checked(HISTORY, history, HISTORY_CHECKS)
}

type Choice = 'filter' | 'until'
const FOLLOWING: Given<Omit<SseSubscribeOptions, Choice>> & Pick<SseSubscribeOptions, Choice> = { from: 'now', filter: undefined, until: undefined, markers: true }

const FOLLOWING_CHECKS: Record<keyof SseSubscribeOptions, Check> = { from: isText, filter: isFunction, until: isFunction, markers: isBoolean }

/**
 * How channels are followed, with the defaults.
 *
 * @throws SSE_ERR_OPTION for a value that an option cannot have, and for a name that is none
 */
export function resolveSubscribeOptions (options: SseSubscribeOptions | undefined): typeof FOLLOWING {
  return options === undefined ? FOLLOWING : checked(FOLLOWING, options, FOLLOWING_CHECKS)
}

/**
 * Options over their defaults.
 *
 * @throws SSE_ERR_OPTION for a value that an option cannot have, and for a name that is none
 */
export function checked<Target extends object> (defaults: Target, options: object, checks: Partial<Record<string, Check>>): Target {
  const settings = { ...defaults } as Record<string, unknown>
  for (const [name, value] of Object.entries(options)) {
    const check = checks[name]
    if (check === undefined) {
      throw new SSE_ERR_OPTION(name, `is not an option here; there are ${Object.keys(checks).join(', ')}`, inspect(value, { depth: 0 }))
    }
    if (value !== undefined) settings[name] = check(name, value)
  }
  return Object.freeze(settings) as Target
}
