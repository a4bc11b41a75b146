import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { Dispatcher } from 'undici'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import { abortSignal, boolean, integer, MAX_DELAY, mustBe, type Check, type Checks, type Option, type Resolved } from '../base/option-checks.ts'
import { resolveOptions } from '../base/options.ts'

/** The address of a model, and the limits of a request. */
export interface ModelOptions {
  /**
   * The URL before the protocol's path: 'https://api.openai.com/v1', with or without a trailing slash. Its query is kept.
   * Its user and password are sent as basic authentication.
   */
  readonly baseURL: string | URL

  /**
   * The API key, sent as a bearer token, or to Anthropic as `x-api-key`.
   *
   * @default undefined (none)
   */
  readonly apiKey?: string | undefined

  /**
   * Additional request headers, which replace the default ones. Headers that control message framing are refused.
   *
   * @default {}
   */
  readonly headers?: Readonly<Record<string, string>> | undefined

  /**
   * Aborts the request: the connection closes, and the iteration rejects with the signal's reason.
   *
   * @default undefined
   */
  readonly signal?: AbortSignal | undefined

  /**
   * Milliseconds to wait for a connection. 0 sets no limit; without `dispatcher`, the limit is then 60 s.
   *
   * @default 10000
   */
  readonly connectTimeout?: number | undefined

  /**
   * Milliseconds from the connection to the response headers. Some models reason before they respond. 0 sets no limit.
   *
   * @default 900000 (15 minutes)
   */
  readonly firstByteTimeout?: number | undefined

  /**
   * Milliseconds from the response headers to the first delta, and later between two deltas, even if comments and pings
   * arrive. 0 sets no limit.
   *
   * @default 900000 (15 minutes)
   */
  readonly firstTokenTimeout?: number | undefined

  /**
   * Milliseconds without any data after the first delta, counted only while a delta is requested. If the model announces that
   * it reasons or runs a tool, it may be silent for `firstTokenTimeout` instead. 0 sets no limit.
   *
   * @default 60000; for Chat Completions and Ollama with `tools`, `firstTokenTimeout`: many servers send a tool call only when
   * it is complete
   */
  readonly idleTimeout?: number | undefined

  /**
   * The maximum size in bytes of one event, of one line of NDJSON, or of an answer that is not streamed.
   *
   * @default 1048576
   */
  readonly maxEventBytes?: number | undefined

  /**
   * The maximum number of retries after a failure that may be temporary. A request is never retried after the first delta
   * or after a timeout, and at most once if no connection can be established.
   *
   * @default 2
   */
  readonly retries?: number | undefined

  /**
   * The maximum delay before a retry in milliseconds. If the model requests a longer one, the request fails instead, and
   * the error carries that delay as `retryAfter`.
   *
   * @default 5000
   */
  readonly maxRetryDelay?: number | undefined

  /**
   * A dispatcher of undici, for a separate connection pool, a proxy or a mock.
   *
   * @default an agent shared by all requests
   */
  readonly dispatcher?: Dispatcher | undefined
}

/** The options of `streamResponses`. */
export interface ResponsesOptions extends ModelOptions {
  /**
   * Whether the answer continues on another connection if the connection to the model is lost or times out. Requires a body with
   * `background: true`. `retries` limits the consecutive resumes without a new event, and `maxRetryDelay` the delay before each.
   * If the answer can't be resumed, the iteration rejects with the original error.
   *
   * A response in background mode continues without a connection. With this option, it is therefore cancelled when the
   * iteration ends early.
   *
   * @default false
   */
  readonly resume?: boolean | undefined
}

/** Checked options with every default filled in. */
export type ModelSettings = Resolved<ModelOptions, 'apiKey' | 'signal' | 'dispatcher'> & { readonly baseURL: URL }

const DEFAULTS: Omit<ModelSettings, 'baseURL'> & { readonly baseURL: URL | undefined } = {
  baseURL: undefined,
  apiKey: undefined,
  headers: {},
  signal: undefined,
  connectTimeout: 10_000,
  firstByteTimeout: 900_000,
  firstTokenTimeout: 900_000,
  idleTimeout: 60_000,
  maxEventBytes: 1024 * 1024,
  retries: 2,
  maxRetryDelay: 5_000,
  dispatcher: undefined
}

const anyDelay = integer(0, 'milliseconds')
const anyTimeout = integer(0, 'milliseconds', 'sets no limit')
/** Checks a timeout in milliseconds. 0 becomes the longest delay of `setTimeout`. */
export const timeout: Check = (value, option) => Math.min(anyTimeout(value, option) as number || MAX_DELAY, MAX_DELAY)

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
  dispatcher: mustBe('a dispatcher of undici', value => typeof (value as Dispatcher | null)?.dispatch === 'function')
}

/** @throws SSE_ERR_OPTION if a name is unknown, a value is invalid, or `baseURL` is missing */
export function resolveModelOptions (options: ModelOptions): ModelSettings {
  return withBaseURL(resolveOptions('a model request', options, DEFAULTS, CHECKS))
}

/** @throws SSE_ERR_OPTION */
export function resolveResponsesOptions (options: ResponsesOptions): ModelSettings & { readonly resume: boolean } {
  return withBaseURL(resolveOptions('a model request', options, { ...DEFAULTS, resume: false }, { ...CHECKS, resume: boolean }))
}

function withBaseURL<Settings extends typeof DEFAULTS> (settings: Settings): Settings & ModelSettings {
  if (settings.baseURL === undefined) throw new SSE_ERR_OPTION('Option `baseURL` is required')
  return settings as Settings & ModelSettings
}

// These checks show only the type of an invalid value, which may contain a key or a password.

function httpUrl (value: unknown, option: Option): URL {
  const url = parseUrl(value)
  if (url === undefined || !/^https?:$/.test(url.protocol)) return option.invalid('must be an absolute URL with the scheme http or https', typeOf(value))
  try {
    decodeURIComponent(url.username + url.password)
    return url
  } catch {
    return option.invalid('must have a percent-encoded user and password', typeOf(value))
  }
}

/** Parses once what `URL.canParse` and the constructor would parse twice. Its copy of a URL cannot be changed by the caller. */
function parseUrl (value: unknown): URL | undefined {
  try {
    return typeof value === 'string' || value instanceof URL ? new URL(value) : undefined
  } catch {
    return undefined
  }
}

function headerValue (value: unknown, option: Option): string {
  try {
    if (typeof value === 'string' && value !== '') {
      validateHeaderValue(option.name, value)
      return value
    }
  } catch {}
  return option.invalid('must be a non-empty string without characters that are invalid in a header', typeOf(value))
}

/** Headers that control message framing, which undici sets. */
const FRAMING_HEADERS = new Set(['content-length', 'connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'expect', 'te'])

function requestHeaders (value: unknown, option: Option): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return option.invalid('must be an object of header names and values', typeOf(value))
  const headers: Record<string, string> = {}
  for (const [key, headerText] of Object.entries(value)) {
    const name = key.toLowerCase()
    try {
      validateHeaderName(name)
    } catch {
      option.invalid('must have valid header names', 'an invalid one')
    }
    if (FRAMING_HEADERS.has(name)) option.entry(name).invalid('must be omitted: it is set by the HTTP client', typeOf(headerText))
    headers[name] = headerValue(headerText, option.entry(name))
  }
  return headers
}

function typeOf (value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}
