/** What an error code means for the caller. */
export interface ModelErrorMeaning {
  /** Written by this package; contains no text from the model's server. */
  readonly message: string
  /** The status of the error response if the route has not sent anything yet. */
  readonly statusCode: number
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** Maximum number of automatic retries, if lower than the option `retries`. */
  readonly repeats?: number
}

/** Every way in which a request to a model can fail. */
export const MODEL_ERRORS = {
  /** No connection: refused, unknown host, or a failed TLS handshake. */
  upstream_unreachable: { message: 'The model cannot be reached', statusCode: 502, retryable: true, repeats: 1 },
  /** No connection within `connectTimeout`. */
  upstream_connect_timeout: { message: 'Connecting to the model timed out', statusCode: 504, retryable: true, repeats: 1 },
  /** 401 or 403. Never passed on with that status, because a browser would take it for a failure of its own login. */
  upstream_auth: { message: 'The model rejected our credentials', statusCode: 502, retryable: false },
  /** 429: too many requests or tokens. `retryAfter` is set if the model sent a delay. */
  upstream_rate_limit: { message: 'The model is receiving too many requests', statusCode: 429, retryable: true },
  /** 402, or a 429 for which retrying does not help: the budget is spent. */
  upstream_quota: { message: 'The quota for the model is exhausted', statusCode: 503, retryable: false },
  /** 408, 409, or a 5xx other than an overload. */
  upstream_error: { message: 'The model responded with an error', statusCode: 502, retryable: true },
  /** 503 or 529, or the same error reported in the stream. */
  upstream_overloaded: { message: 'The model is overloaded', statusCode: 503, retryable: true },
  /** 404 or 405: unknown model or wrong URL. */
  upstream_not_found: { message: 'The model or its endpoint was not found', statusCode: 502, retryable: false },
  /** Any other 4xx: the model does not accept the request. */
  upstream_rejected: { message: 'The model rejected the request', statusCode: 400, retryable: false },
  /** The prompt exceeds the model's context window. */
  prompt_too_long: { message: 'The prompt is too long for the model', statusCode: 413, retryable: false },
  /** No response within `firstByteTimeout`. Not retried, because the caller has waited long enough. */
  first_byte_timeout: { message: 'The model did not respond in time', statusCode: 504, retryable: true, repeats: 0 },
  /** A response, but no delta within `firstTokenTimeout`. */
  first_token_timeout: { message: 'The model did not start its answer in time', statusCode: 504, retryable: true, repeats: 0 },
  /** After the first delta, no data within `idleTimeout`, or no delta within `firstTokenTimeout`. */
  idle_timeout: { message: 'The model stopped in the middle of its answer', statusCode: 504, retryable: true, repeats: 0 },
  /** The connection broke before the answer was complete. */
  upstream_cut: { message: 'The connection to the model was lost', statusCode: 502, retryable: true },
  /** The response ended normally, but the answer was not complete. */
  truncated: { message: 'The model\'s answer is incomplete', statusCode: 502, retryable: true },
  /** The model reported a failure in its stream that is none of the above. */
  upstream_failed: { message: 'The model failed while it answered', statusCode: 502, retryable: true },
  /** Part of the answer is malformed: invalid JSON, or JSON of an unexpected shape. */
  bad_chunk: { message: 'The model\'s answer is malformed', statusCode: 502, retryable: false },
  /** An event, a line or a JSON answer is larger than `maxEventBytes`, or the tool calls of an answer are larger than 2 MiB. */
  too_large: { message: 'An event from the model exceeds the size limit', statusCode: 502, retryable: false },
  /** The response is neither an event stream nor JSON; for example, an HTML page from a proxy. */
  bad_content_type: { message: 'The model responded with an unexpected content type', statusCode: 502, retryable: false },
  /** 3xx. Not followed, because the API key and the prompt would be sent to another address. */
  redirected: { message: 'The model responded with a redirect, which is not followed', statusCode: 502, retryable: false }
} as const satisfies Record<string, ModelErrorMeaning>

export type ModelErrorCode = keyof typeof MODEL_ERRORS

export interface ModelErrorDetails {
  /** The status of the upstream's response. */
  readonly upstreamStatus?: number | undefined
  /** Milliseconds to wait before a retry, as requested by the upstream. */
  readonly retryAfter?: number | undefined
  /** Overrides what the code implies, if the upstream is explicit about it. */
  readonly retryable?: boolean | undefined
  /** A system error code such as ECONNREFUSED, added to the message. Never text from the upstream. */
  readonly reason?: string | undefined
  /** The underlying error, for the log. */
  readonly cause?: unknown
}

/**
 * A request to a model failed. The code and the message are safe to show to a client: they contain nothing from the
 * upstream's response body, no keys and no addresses. Thrown in a Fastify route, it produces the matching error response.
 * `cause`, if there is one, is for the log: it may contain an address, a piece of the answer, or up to 1,000 characters of the
 * message with which the model's server reported the error, from which keys are removed.
 */
export class ModelError extends Error {
  override readonly name = 'ModelError'
  readonly code: ModelErrorCode
  /** The status of the error response if the route has not sent anything yet; never 401 or 403. */
  readonly statusCode: number
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** Milliseconds to wait before a retry, as requested by the upstream. */
  readonly retryAfter: number | undefined
  /** The status of the upstream's response; undefined if there was no response, or if the failure came after it began. */
  readonly upstreamStatus: number | undefined
  /** Headers that Fastify adds to the error response. */
  declare readonly headers?: { readonly 'retry-after': string }
  /** Marks the error as safe to show to clients. */
  readonly expose = true

  constructor (code: ModelErrorCode, { upstreamStatus, retryAfter, retryable, reason = upstreamStatus?.toString(), cause }: ModelErrorDetails = {}) {
    const meaning: ModelErrorMeaning = MODEL_ERRORS[code]
    super(reason === undefined ? meaning.message : `${meaning.message} (${reason})`, cause === undefined ? undefined : { cause })
    this.code = code
    this.statusCode = meaning.statusCode
    this.retryable = retryable ?? meaning.retryable
    this.retryAfter = retryAfter
    this.upstreamStatus = upstreamStatus
    if (retryAfter !== undefined && this.retryable) this.headers = { 'retry-after': String(Math.ceil(retryAfter / 1_000)) }
  }
}

/** Data that the end of the body cuts off is incomplete, not malformed, so that the request may be retried. */
export function errorAtEnd (error: unknown, isCutOff: boolean): unknown {
  return isCutOff && error instanceof ModelError && error.code === 'bad_chunk' ? new ModelError('truncated', { cause: error }) : error
}
