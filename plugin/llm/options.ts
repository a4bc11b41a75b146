import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { Dispatcher } from 'undici'
import { whole, type Check } from '../base/options.ts'
import { SSE_ERR_OPTION } from '../base/errors.ts'

/** Where a model is, and how long it is waited for. */
export interface ModelOptions {
  /**
   * What is before the protocol's path: 'https://api.openai.com/v1', with or without a slash at its end. A query stays.
   * User and password, where there are any, are sent as basic authorization.
   */
  readonly baseURL: string | URL

  /**
   * Sent as the protocol wants it: as a bearer, or to Anthropic as `x-api-key`.
   *
   * @default undefined (none)
   */
  readonly apiKey?: string | undefined

  /**
   * More request headers; they win over ours. Those that frame the message are refused.
   *
   * @default {}
   */
  readonly headers?: Readonly<Record<string, string>> | undefined

  /**
   * Its abortion closes the connection to the model, whatever that is doing, and rejects the iteration with its reason.
   *
   * @default undefined
   */
  readonly signal?: AbortSignal | undefined

  /**
   * Milliseconds until a connection is there. 0: no limit. Without `dispatcher`, 60 s is the most.
   *
   * @default 10000
   */
  readonly connectTimeout?: number | undefined

  /**
   * Milliseconds from there until the response begins with its headers. 0: no limit.
   *
   * @default 60000
   */
  readonly firstByteTimeout?: number | undefined

  /**
   * Milliseconds from there until the first delta. Comments and pings are none. 0: no limit.
   *
   * @default 60000
   */
  readonly firstTokenTimeout?: number | undefined

  /**
   * Milliseconds from one delta to the next. Comments and pings are none, and the time does not count in which nobody
   * asks for a delta. 0: no limit.
   *
   * @default 60000
   */
  readonly idleTimeout?: number | undefined

  /**
   * Bytes of one event, of one line, or of an answer that is not streamed.
   *
   * @default 1048576
   */
  readonly maxEventBytes?: number | undefined

  /**
   * How often a request is repeated that has failed in a way that may pass. Only as long as there was no delta. A model
   * that cannot be reached is tried once more at most; one that lets us wait too long is not.
   *
   * @default 2
   */
  readonly retries?: number | undefined

  /**
   * Milliseconds that may lie between two requests. A model that asks for more is not asked again; the error says so in
   * `retryAfter`.
   *
   * @default 5000
   */
  readonly maxRetryDelay?: number | undefined

  /**
   * A dispatcher of undici 7, for a pool of your own, a proxy, or a mock.
   *
   * @default one agent for all
   */
  readonly dispatcher?: Dispatcher | undefined
}

type Unset = 'apiKey' | 'signal' | 'dispatcher'

/** Every option, checked, defaults filled in. */
export type ModelSettings = {
  readonly [Name in Exclude<keyof ModelOptions, Unset>]-?: Exclude<ModelOptions[Name], undefined>
} & Pick<ModelOptions, Unset> & { readonly baseURL: URL }

const DEFAULTS = {
  apiKey: undefined,
  headers: {},
  signal: undefined,
  connectTimeout: 10_000,
  firstByteTimeout: 60_000,
  firstTokenTimeout: 60_000,
  idleTimeout: 60_000,
  maxEventBytes: 1024 * 1024,
  retries: 2,
  maxRetryDelay: 5_000,
  dispatcher: undefined
}

/** The longest that a timer of Node can wait. */
const FOREVER = 2 ** 31 - 1

const timeout: Check = (name, value) => Math.min(whole(0, 'ms', '0 for no limit')(name, value) as number || FOREVER, FOREVER)

const CHECKS: Record<keyof ModelOptions, Check> = {
  baseURL: httpUrl,
  apiKey: headerValue,
  headers: requestHeaders,
  signal: (name, value) => value instanceof AbortSignal ? value : refuse(name, 'must be an AbortSignal', value),
  connectTimeout: timeout,
  firstByteTimeout: timeout,
  firstTokenTimeout: timeout,
  idleTimeout: timeout,
  maxEventBytes: whole(1, 'bytes'),
  retries: whole(0, ''),
  maxRetryDelay: (name, value) => Math.min(whole(0, 'ms')(name, value) as number, FOREVER),
  dispatcher: (name, value) => typeof (value as Dispatcher | null)?.dispatch === 'function' ? value : refuse(name, 'must be a dispatcher of undici', value)
}

/**
 * How a model is asked, with the defaults.
 *
 * @throws SSE_ERR_OPTION for a value that an option cannot have, and for a name that is none
 */
export function resolveModelOptions (options: ModelOptions): ModelSettings {
  const settings: Record<string, unknown> = { ...DEFAULTS }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, name)) refuse(name, `is not an option here; there are ${Object.keys(CHECKS).join(', ')}`, value)
    if (value !== undefined) settings[name] = CHECKS[name as keyof ModelOptions](name, value)
  }
  if (settings['baseURL'] === undefined) refuse('baseURL', 'is needed', undefined)
  return settings as unknown as ModelSettings
}

/**
 * What is asked, as JSON.
 *
 * @throws SSE_ERR_OPTION for what is no object, or cannot be JSON
 */
export function stringifyBody (body: unknown, complete: (body: object) => object): string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) refuse('body', 'must be an object', body)
  try {
    return JSON.stringify(complete(body as object))
  } catch {
    return refuse('body', 'must be what JSON can express', body)
  }
}

/** Keys and passwords may be in any value: the message does not show it. */
function refuse (name: string, rule: string, value: unknown): never {
  throw new SSE_ERR_OPTION(name, rule, value === null ? 'null' : typeof value)
}

function httpUrl (name: string, value: unknown): URL {
  const url = URL.canParse(String(value)) ? new URL(String(value)) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) return refuse(name, 'must be a URL that begins with http: or https:', value)
  try {
    decodeURIComponent(url.username + url.password)
    return url
  } catch {
    return refuse(name, 'must have a user and a password that are percent-encoded', value)
  }
}

function headerValue (name: string, value: unknown): string {
  try {
    if (typeof value === 'string' && value !== '') {
      validateHeaderValue(name, value)
      return value
    }
  } catch {}
  return refuse(name, 'must be a non-empty string that a header can have', value)
}

// They frame the message, which is the client's to do.
const FRAMING = new Set(['content-length', 'connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'expect', 'te'])

function requestHeaders (name: string, value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(name, 'must be an object of header names and values', value)
  const headers: Record<string, string> = {}
  for (const [key, text] of Object.entries(value)) {
    const field = key.toLowerCase()
    try {
      validateHeaderName(field)
    } catch {
      refuse(name, 'must have names that a header can have', value)
    }
    if (FRAMING.has(field)) refuse(`${name}.${field}`, 'must be left to the client, which frames the message', text)
    headers[field] = headerValue(`${name}.${field}`, text)
  }
  return headers
}
