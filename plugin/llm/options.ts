import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { Dispatcher } from 'undici'
import { abortSignal, describe, integer, MAX_DELAY, type Check, type Checks, type Option, type Resolved } from '../base/option-checks.ts'
import { resolveOptions } from '../base/options.ts'
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

/** Every option, checked, defaults filled in. */
export type ModelSettings = Resolved<ModelOptions, 'apiKey' | 'signal' | 'dispatcher'> & { readonly baseURL: URL }

const DEFAULTS: Omit<ModelSettings, 'baseURL'> & { readonly baseURL: URL | undefined } = {
  baseURL: undefined,
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

const anyDelay = integer(0, 'milliseconds')
const anyTimeout = integer(0, 'milliseconds', 'sets no limit')
const timeout: Check = (value, option) => Math.min(anyTimeout(value, option) as number || MAX_DELAY, MAX_DELAY)

const CHECKS: Checks<ModelOptions> = {
  baseURL: httpUrl,
  apiKey: headerValue,
  headers: requestHeaders,
  signal: abortSignal,
  connectTimeout: timeout,
  firstByteTimeout: timeout,
  firstTokenTimeout: timeout,
  idleTimeout: timeout,
  maxEventBytes: integer(1, 'bytes'),
  retries: integer(0),
  maxRetryDelay: (value, option) => Math.min(anyDelay(value, option) as number, MAX_DELAY),
  dispatcher: (value, option) => typeof (value as Dispatcher | null)?.dispatch === 'function' ? value : option.invalid('must be a dispatcher of undici', typeof value)
}

/** @throws SSE_ERR_OPTION */
export function resolveModelOptions (options: ModelOptions): ModelSettings {
  const settings = resolveOptions('a model request', options ?? null, DEFAULTS, CHECKS)
  if (settings.baseURL === undefined) throw new SSE_ERR_OPTION('Option `baseURL` is required')
  return settings as ModelSettings
}

/**
 * Serializes the body of a request.
 *
 * @throws SSE_ERR_OPTION for a body that is not an object or that JSON cannot express
 */
export function stringifyBody (body: unknown, complete: (body: object) => object): string {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new SSE_ERR_OPTION(`The body of a model request must be an object; received ${describe(body)}`)
  try {
    return JSON.stringify(complete(body as object))
  } catch (cause) {
    throw Object.assign(new SSE_ERR_OPTION('The body of a model request must be serializable as JSON'), { cause })
  }
}

// Messages show no values below: keys and passwords may be in any of them.

function httpUrl (value: unknown, option: Option): URL {
  const url = URL.canParse(String(value)) ? new URL(String(value)) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) return option.invalid('must be a URL that begins with http: or https:', typeof value)
  try {
    decodeURIComponent(url.username + url.password)
    return url
  } catch {
    return option.invalid('must have a percent-encoded user and password', typeof value)
  }
}

function headerValue (value: unknown, option: Option): string {
  try {
    if (typeof value === 'string' && value !== '') {
      validateHeaderValue(option.name, value)
      return value
    }
  } catch {}
  return option.invalid('must be a non-empty string that is valid in a header', typeof value)
}

/** Headers that frame the message, which is the client's job. */
const FRAMING = new Set(['content-length', 'connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'expect', 'te'])

function requestHeaders (value: unknown, option: Option): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return option.invalid('must be an object of header names and values', typeof value)
  const headers: Record<string, string> = {}
  for (const [key, text] of Object.entries(value)) {
    const name = key.toLowerCase()
    try {
      validateHeaderName(name)
    } catch {
      option.invalid('must have valid header names', typeof value)
    }
    if (FRAMING.has(name)) option.entry(name).invalid('must be left to the client, which frames the message', typeof text)
    headers[name] = headerValue(text, option.entry(name))
  }
  return headers
}
