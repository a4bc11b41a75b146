import { SseClientError } from './errors.ts'
import type { SseGap } from './markers.ts'
import type { SseMessage } from './sse-connection.ts'

/** `connecting` until there is an answer, `open` while events may come, `waiting` to connect again, `closed` for good. */
export type SseConnectionState = 'connecting' | 'open' | 'waiting' | 'closed'

/** What becomes of a connection that has failed or ended. */
export interface SseOutlook {
  /** Whether it connects again. If not, it is closed. */
  readonly willRetry: boolean
  /** In how many milliseconds it does, if nothing makes it do so earlier; 0 where it does not. */
  readonly delay: number
}

/** How long a connection that has failed waits before it connects again. */
export interface SseRetryOptions {
  /**
   * The first pause in milliseconds, at least 1. It doubles with each failure that follows without an event or a
   * comment between. What the server asks for by `retry:` takes its place.
   *
   * @default 1000
   */
  readonly initial?: number | undefined

  /**
   * The longest pause in milliseconds, where the server does not ask for a longer one.
   *
   * @default 30000
   */
  readonly max?: number | undefined

  /**
   * By what part of itself a pause is prolonged at most, at random, so that not all clients come back at once; from 0
   * to 1. Pauses only get longer by it, never shorter than what the server asks for.
   *
   * @default 0.5
   */
  readonly jitter?: number | undefined

  /**
   * How often in a row it connects again without getting an event or a comment. 0: never again, once the first
   * connection is over.
   *
   * @default Infinity
   */
  readonly attempts?: number | undefined
}

/** Header names and values. */
export type SseHeaders = Readonly<Record<string, string>>

/** A request's body that can be sent more than once. */
export type SseBody = string | URLSearchParams | FormData | Blob | ArrayBuffer | Uint8Array

/**
 * How `connect` connects, and what it calls.
 *
 * A promise that `onEvent`, `onReady`, `onGap` or `onReset` gives is waited for before anything else is read. What a
 * callback throws is thrown uncaught, as that of an event listener is; the connection goes on.
 */
export interface SseConnectOptions {
  /** @default 'GET' */
  readonly method?: string | undefined

  /**
   * Request headers; or what gives them, or promises to, for each request anew: for instance with a fresh token. It may
   * throw or reject, which counts as a connection that failed.
   *
   * @default {} beside `Accept: text/event-stream`
   */
  readonly headers?: SseHeaders | (() => SseHeaders | Promise<SseHeaders>) | undefined

  readonly body?: SseBody | undefined

  /**
   * Whether cookies are sent: as `fetch` has it.
   *
   * @default 'same-origin'
   */
  readonly credentials?: 'omit' | 'same-origin' | 'include' | undefined

  /** Closes the connection when it aborts. */
  readonly signal?: AbortSignal | undefined

  /**
   * Whether the request may be sent more than once. Where it may not, whatever ends the first connection ends it for
   * good.
   *
   * @default true for GET, and for a request whose header `Idempotency-Key` stays the same; else false
   */
  readonly idempotent?: boolean | undefined

  /**
   * The id after which events are wanted, for instance one that was kept.
   *
   * @default ''
   */
  readonly lastEventId?: string | undefined

  /**
   * The query parameter by which a page asks another origin to go on after the last id, since the header
   * `Last-Event-ID` would need a preflight there. Elsewhere it is the header. `null`: the header everywhere.
   *
   * @default 'lastEventId'
   */
  readonly lastEventIdParameter?: string | null | undefined

  /**
   * Milliseconds without a byte after which a connection is taken for dead and made anew; also without an answer. 0:
   * none. It has to be longer than the server's pause between heartbeats, which is 15,000 by default.
   *
   * @default 45000
   */
  readonly heartbeatTimeout?: number | undefined

  /**
   * Characters (UTF-16 code units) that the data of one event may have. A larger one closes the connection, since it
   * would come again.
   *
   * @default 1048576
   */
  readonly maxEventLength?: number | undefined

  readonly retry?: SseRetryOptions | undefined

  /** The stream is there. Its body is being read. */
  readonly onOpen?: ((response: Response) => unknown) | undefined

  /** An event came. Without this callback, events wait to be iterated over. */
  readonly onEvent?: ((message: SseMessage) => unknown) | undefined

  /** The server says that nothing is missing (`sse-ready`). */
  readonly onReady?: (() => unknown) | undefined

  /** The server says that its history no longer had what came next (`sse-gap`). What is left of it follows. */
  readonly onGap?: ((gaps: SseGap[]) => unknown) | undefined

  /** The server does not know the last id (`sse-reset`): it has restarted, for instance. What history it has follows. */
  readonly onReset?: (() => unknown) | undefined

  /** The connection has failed or ended, and what becomes of it. */
  readonly onError?: ((error: SseClientError, outlook: SseOutlook) => unknown) | undefined

  /** The state has changed. */
  readonly onState?: ((state: SseConnectionState) => unknown) | undefined
}

type Given<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }
type Callback = 'onOpen' | 'onEvent' | 'onReady' | 'onGap' | 'onReset' | 'onError' | 'onState'
type Unset = Callback | 'body' | 'signal' | 'idempotent'

export type RetrySettings = Given<SseRetryOptions>

/** Every option, checked, defaults filled in. */
export type ConnectSettings =
  & Given<Omit<SseConnectOptions, Unset | 'retry'>>
  & Pick<SseConnectOptions, Unset>
  & { readonly retry: RetrySettings }

/** Gives the value that an option has. @throws SSE_ERR_OPTION if it cannot have this one */
type Check = (name: string, value: unknown) => unknown

/** The longest that `setTimeout` takes. */
export const LONGEST = 2 ** 31 - 1

const RETRY: RetrySettings = { initial: 1_000, max: 30_000, jitter: 0.5, attempts: Infinity }

const RETRY_CHECKS: Record<keyof SseRetryOptions, Check> = {
  initial: number(1, LONGEST, 'milliseconds'),
  max: number(1, LONGEST, 'milliseconds'),
  jitter: number(0, 1, ''),
  attempts: number(0, Infinity, 'attempts')
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
  retry: RETRY,
  onOpen: undefined,
  onEvent: undefined,
  onReady: undefined,
  onGap: undefined,
  onReset: undefined,
  onError: undefined,
  onState: undefined
}

const isFunction: Check = must('be a function', value => typeof value === 'function')

const CHECKS: Record<keyof SseConnectOptions, Check> = {
  method: (name, value) => must<string>('be a string', value => typeof value === 'string')(name, value).toUpperCase(),
  headers: must('be an object of names and values, or a function', value => typeof value === 'function' || isObject(value)),
  body: must('be a string, or a body that can be sent again', isBody),
  credentials: must("be 'omit', 'same-origin' or 'include'", value => ['omit', 'same-origin', 'include'].includes(value as string)),
  signal: must('be an AbortSignal', value => value instanceof AbortSignal),
  idempotent: must('be true or false', value => typeof value === 'boolean'),
  lastEventId: must('be a string on one line, without NUL', value => typeof value === 'string' && !/[\0\r\n]/.test(value)),
  lastEventIdParameter: must('be a non-empty string, or null', value => value === null || (typeof value === 'string' && value !== '')),
  heartbeatTimeout: number(0, LONGEST, 'milliseconds (0 for none)'),
  maxEventLength: number(1, Infinity, 'characters'),
  retry: (name, value) => checked(`${name}.`, RETRY, must<object>('be an object', isObject)(name, value), RETRY_CHECKS),
  onOpen: isFunction,
  onEvent: isFunction,
  onReady: isFunction,
  onGap: isFunction,
  onReset: isFunction,
  onError: isFunction,
  onState: isFunction
}

/**
 * The options of `connect` with their defaults.
 *
 * @throws SSE_ERR_OPTION for a value that an option cannot have, and for a name that is none
 */
export function resolveOptions (options: SseConnectOptions): ConnectSettings {
  return checked('', DEFAULTS, options, CHECKS)
}

function checked<Target extends object> (path: string, defaults: Target, options: object, checks: Record<string, Check>): Target {
  const settings = { ...defaults } as Record<string, unknown>
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (check === undefined) fail(path + name, `is not an option here; there are ${Object.keys(checks).join(', ')}`, value)
    if (value !== undefined) settings[name] = check(path + name, value)
  }
  return settings as Target
}

function must<Value> (rule: string, holds: (value: unknown) => boolean): (name: string, value: unknown) => Value {
  return (name, value) => holds(value) ? value as Value : fail(name, `must ${rule}`, value)
}

/** A number in a range; a whole one where it counts something. */
function number (least: number, most: number, unit: string): Check {
  const range = most === Infinity ? `from ${least}` : `from ${least} to ${most}`
  return must(unit === '' ? `be a number ${range}` : `be a whole number of ${unit}, ${range}`, value =>
    typeof value === 'number' && value >= least && value <= most && (unit === '' || value === Infinity || Number.isInteger(value)))
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isBody (value: unknown): boolean {
  return typeof value === 'string' || ArrayBuffer.isView(value) || [URLSearchParams, FormData, Blob, ArrayBuffer].some(kind => value instanceof kind)
}

function fail (name: string, rule: string, value: unknown): never {
  const got = typeof value === 'object' && value !== null ? 'an object' : `${String(value)} (${typeof value})`
  throw new SseClientError('SSE_ERR_OPTION', `Option \`${name}\` ${rule}, got ${got}`)
}
