import { abortSignal, anyFunction, boolean, integer, MAX_DELAY, mustBe, nonEmptyString, oneOf, optionsResolver, string, type Check, type Checks, type Resolved } from '../base/option-checks.ts'
import { SseClientError } from './errors.ts'
import type { DataSettings } from './event-data.ts'
import type { SseGap } from './server-events.ts'
import type { SseMessage, SseMessageOf } from './sse-connection.ts'
import { areStandardSchemas, type SseEventSchemas, type SseOutputs } from './standard-schema.ts'

/**
 * - `connecting`: a request was sent, or will be as soon as its headers are ready
 * - `open`: the response is an event stream that is being read
 * - `waiting`: the client waits before it reconnects
 * - `closed`: the client does not reconnect any more
 */
export type SseConnectionState = 'connecting' | 'open' | 'waiting' | 'closed'

/** What the client does after an error. */
export interface SseRetryInfo {
  /** Whether it reconnects. If not, the connection is closed. */
  readonly willRetry: boolean
  /** The delay before the reconnect in milliseconds, unless something shortens it; 0 without a reconnect. */
  readonly delay: number
}

/** The delays before reconnects. */
export interface SseRetryOptions {
  /**
   * The first delay in milliseconds, at least 1. It doubles with each consecutive failure, until the server sends an
   * event or a comment. A `retry:` field from the server replaces it.
   *
   * @default 1000
   */
  readonly initial?: number | undefined

  /**
   * The longest delay in milliseconds, unless the server requests a longer one.
   *
   * @default 30000
   */
  readonly max?: number | undefined

  /**
   * The largest random addition to a delay, as a fraction of it from 0 to 1, so that clients do not all reconnect at the
   * same moment. A delay is never shorter than the server requests.
   *
   * @default 0.5
   */
  readonly jitter?: number | undefined

  /**
   * Consecutive reconnects without an event or a comment before the connection is closed. 0 disables reconnects.
   *
   * @default Infinity
   */
  readonly attempts?: number | undefined
}

/** Header names and values. */
export type SseHeaders = Readonly<Record<string, string>>

/** A request body that can be sent more than once. */
export type SseBody = string | URLSearchParams | FormData | Blob | ArrayBuffer | Uint8Array

/**
 * The request, and the callbacks. If `onEvent`, `onReady`, `onGap` or `onReset` returns a promise, the client waits for it
 * before it reads on. An error thrown by a callback is reported as an uncaught exception, as for an event listener; the
 * connection stays open.
 */
export interface SseConnectOptions<Message = SseMessage> {
  /** @default 'GET' */
  readonly method?: string | undefined

  /**
   * Request headers, or a function that returns them or a promise of them. The function is called for each request, for
   * example to send a fresh token. If it throws or rejects, the client tries again later, as after a network error.
   *
   * @default {} beside `Accept: text/event-stream`
   */
  readonly headers?: SseHeaders | (() => SseHeaders | Promise<SseHeaders>) | undefined

  readonly body?: SseBody | undefined

  /**
   * Whether cookies are sent, as in `fetch`.
   *
   * @default 'same-origin'
   */
  readonly credentials?: 'omit' | 'same-origin' | 'include' | undefined

  /** Closes the connection when it aborts. */
  readonly signal?: AbortSignal | undefined

  /**
   * Whether the request may be sent more than once. If not, the client never reconnects.
   *
   * @default true for GET, and for a request whose `Idempotency-Key` header does not change; otherwise false
   */
  readonly idempotent?: boolean | undefined

  /**
   * The event ID to resume from, for example one that was stored.
   *
   * @default ''
   */
  readonly lastEventId?: string | undefined

  /**
   * The query parameter in which a page sends the last event ID to another origin. The header `Last-Event-ID` would
   * require a preflight request there; it is used for all other requests. `null`: always the header.
   *
   * @default 'lastEventId'
   */
  readonly lastEventIdParameter?: string | null | undefined

  /**
   * Milliseconds without data, or without a response, before the client reconnects. 0 disables it. It must be longer than
   * the server's interval between heartbeats, which is 15,000 by default.
   *
   * @default 45000
   */
  readonly heartbeatTimeout?: number | undefined

  /**
   * Maximum characters (UTF-16 code units) in the data of one event. A larger event closes the connection, because the
   * server would send it again after a reconnect.
   *
   * @default 1048576
   */
  readonly maxEventLength?: number | undefined

  readonly retry?: SseRetryOptions | undefined

  /** Called for each response that is an event stream. The client reads its body. */
  readonly onOpen?: ((response: Response) => unknown) | undefined

  /** Called for each event. Without this callback, iterate over the connection. */
  readonly onEvent?: ((message: Message) => unknown) | undefined

  /** Called if the server reports that no events were missed (`sse-ready`). */
  readonly onReady?: (() => unknown) | undefined

  /** Called if the server's history no longer has the next events (`sse-gap`). The rest of its history follows. */
  readonly onGap?: ((gaps: SseGap[]) => unknown) | undefined

  /** Called if the server does not know the last event ID (`sse-reset`), for example after a restart. Its history follows. */
  readonly onReset?: (() => unknown) | undefined

  /** Called whenever a request fails or its stream ends. */
  readonly onError?: ((error: SseClientError, retry: SseRetryInfo) => unknown) | undefined

  /** Called whenever the state changes. */
  readonly onState?: ((state: SseConnectionState) => unknown) | undefined
}

/** The options of a connection that parses the data of all events. */
export interface SseParsingOptions<Message> extends SseConnectOptions<Message> {
  /**
   * Parses the data of each event, such as `JSON.parse`. If it throws, the connection is closed with SSE_CLIENT_ERR_DATA, and
   * the event is not delivered.
   *
   * @default undefined (data is text)
   */
  readonly parse: (data: string) => unknown
}

/** The options of a connection that validates the data of events. */
export interface SseValidatingOptions<Schemas extends SseEventSchemas> extends SseConnectOptions<SseMessageOf<SseOutputs<Schemas>>> {
  /** @default JSON.parse for events with a schema; the data of other events is text */
  readonly parse?: ((data: string) => unknown) | undefined

  /**
   * A schema for the data of each type of event. What it returns is the data of the event. If it rejects, the connection is
   * closed with SSE_CLIENT_ERR_DATA, and the event is not delivered.
   *
   * @default undefined (data is not validated)
   */
  readonly schemas: Schemas
}

/** All options. */
export type ConnectOptions = SseConnectOptions<any> & Partial<DataSettings>

type Callback = 'onOpen' | 'onEvent' | 'onReady' | 'onGap' | 'onReset' | 'onError' | 'onState'

export type RetrySettings = Resolved<SseRetryOptions>

/** Every option, checked and with its default filled in. */
export type ConnectSettings =
  & Resolved<Omit<SseConnectOptions<any>, 'retry'>, Callback | 'body' | 'signal' | 'idempotent'>
  & DataSettings
  & { readonly retry: RetrySettings }

const RETRY_DEFAULTS: RetrySettings = { initial: 1_000, max: 30_000, jitter: 0.5, attempts: Infinity }

const RETRY_CHECKS: Checks<RetrySettings> = {
  initial: integer(1, 'milliseconds', '', MAX_DELAY),
  max: integer(1, 'milliseconds', '', MAX_DELAY),
  jitter: mustBe('a number from 0 to 1', value => typeof value === 'number' && value >= 0 && value <= 1),
  attempts: orInfinity(integer(0))
}

const DEFAULTS: ConnectSettings = {
  method: 'GET',
  headers: {},
  body: undefined,
  credentials: 'same-origin',
  signal: undefined,
  idempotent: undefined,
  lastEventId: '',
  lastEventIdParameter: 'lastEventId',
  heartbeatTimeout: 45_000,
  maxEventLength: 1024 * 1024,
  parse: undefined,
  schemas: undefined,
  retry: RETRY_DEFAULTS,
  onOpen: undefined,
  onEvent: undefined,
  onReady: undefined,
  onGap: undefined,
  onReset: undefined,
  onError: undefined,
  onState: undefined
}

const CHECKS: Checks<ConnectSettings> = {
  method: (value, option) => String(string(value, option)).toUpperCase(),
  headers: mustBe('an object of names and values, or a function', value => typeof value === 'function' || (typeof value === 'object' && value !== null)),
  body: mustBe('a string or another body that can be sent again', isRepeatableBody),
  credentials: oneOf('omit', 'same-origin', 'include'),
  signal: abortSignal,
  idempotent: boolean,
  lastEventId: mustBe('a string on one line, without NUL', value => typeof value === 'string' && !/[\0\r\n]/.test(value)),
  lastEventIdParameter: (value, option) => value === null ? null : nonEmptyString(value, option),
  heartbeatTimeout: integer(0, 'milliseconds', 'disables it', MAX_DELAY),
  maxEventLength: orInfinity(integer(1, 'characters')),
  parse: anyFunction,
  schemas: mustBe('an object of event types and Standard Schemas', areStandardSchemas),
  retry: (value, option) => option.resolve(value, RETRY_DEFAULTS, RETRY_CHECKS),
  onOpen: anyFunction,
  onEvent: anyFunction,
  onReady: anyFunction,
  onGap: anyFunction,
  onReset: anyFunction,
  onError: anyFunction,
  onState: anyFunction
}

const resolveOptions = optionsResolver((message, detail) => { throw new SseClientError('SSE_CLIENT_ERR_OPTION', detail === undefined ? message : `${message}; ${detail}`) })

/** Checks the options of `connect` and fills in defaults. @throws SSE_CLIENT_ERR_OPTION */
export function resolveConnectOptions (options: ConnectOptions): ConnectSettings {
  return resolveOptions('connect()', options, DEFAULTS, CHECKS)
}

function orInfinity (check: Check): Check {
  return (value, option) => value === Infinity ? value : check(value, option)
}

function isRepeatableBody (value: unknown): boolean {
  return typeof value === 'string' || ArrayBuffer.isView(value) || [URLSearchParams, FormData, Blob, ArrayBuffer].some(type => value instanceof type)
}
