/** What an error means to those who get it. */
export interface ModelErrorMeaning {
  /** What it says, in our own words. */
  readonly message: string
  /** What a route should answer with that has sent nothing yet. */
  readonly statusCode: number
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** How often it is asked again at most, where that differs from the option `retries`. */
  readonly repeats?: number
}

/** Every way in which a model fails. */
export const MODEL_ERRORS = {
  /** No connection: refused, no such host, no agreement on TLS. */
  upstream_unreachable: { message: 'The model cannot be reached', statusCode: 502, retryable: true, repeats: 1 },
  /** No connection within `connectTimeout`. */
  upstream_connect_timeout: { message: 'The model could not be reached in time', statusCode: 504, retryable: true, repeats: 1 },
  /** 401 or 403. Never passed on as such: a browser would take it for its own login. */
  upstream_auth: { message: 'The model refuses our credentials', statusCode: 502, retryable: false },
  /** 429: too much at once. `retryAfter` says when, if the model does. */
  upstream_rate_limit: { message: 'The model is asked too much at the moment', statusCode: 429, retryable: true },
  /** 402, or 429 where no waiting helps: nothing is left to spend. */
  upstream_quota: { message: 'The budget for the model is used up', statusCode: 503, retryable: false },
  /** 408, 409, and 5xx that is no overload. */
  upstream_error: { message: 'The model failed', statusCode: 502, retryable: true },
  /** 503 or 529, or the same said in the stream. */
  upstream_overloaded: { message: 'The model is overloaded', statusCode: 503, retryable: true },
  /** 404 or 405: no such model, or no such address. */
  upstream_not_found: { message: 'The model does not exist, or is not where it was asked', statusCode: 502, retryable: false },
  /** Any other 4xx: there is something in the request that the model does not take. */
  upstream_rejected: { message: 'The model does not accept the request', statusCode: 400, retryable: false },
  /** What was asked is more than the model can read. */
  prompt_too_long: { message: 'The request is too long for the model', statusCode: 413, retryable: false },
  /** No response within `firstByteTimeout`. It is not asked again: the caller has waited long enough. */
  first_byte_timeout: { message: 'The model did not respond in time', statusCode: 504, retryable: true, repeats: 0 },
  /** A response, but nothing said within `firstTokenTimeout`. */
  first_token_timeout: { message: 'The model did not begin in time', statusCode: 504, retryable: true, repeats: 0 },
  /** It began, and then said nothing for `idleTimeout`. */
  idle_timeout: { message: 'The model stopped in the middle', statusCode: 504, retryable: true, repeats: 0 },
  /** The connection broke before the answer was whole. */
  upstream_cut: { message: 'The connection to the model broke', statusCode: 502, retryable: true },
  /** The response ended properly, but the answer was not whole. */
  truncated: { message: 'The answer of the model is not complete', statusCode: 502, retryable: true },
  /** The model said in its stream that it failed, and not in which of the ways above. */
  upstream_failed: { message: 'The model failed while it answered', statusCode: 502, retryable: true },
  /** Something in the answer cannot be understood: no JSON, or of another form. */
  bad_chunk: { message: 'The answer of the model cannot be understood', statusCode: 502, retryable: false },
  /** One event is larger than `maxEventBytes`. */
  too_large: { message: 'A part of the answer of the model is too large', statusCode: 502, retryable: false },
  /** The response is no event stream and no JSON; a page of a proxy, for instance. */
  bad_content_type: { message: 'The model responded with something that is no answer', statusCode: 502, retryable: false },
  /** 3xx. Not followed: the key and the prompt would go where nobody has said. */
  redirected: { message: 'The model redirects, which is not followed', statusCode: 502, retryable: false }
} as const satisfies Record<string, ModelErrorMeaning>

export type ModelErrorCode = keyof typeof MODEL_ERRORS

export interface ModelErrorDetails {
  /** What the upstream answered with. */
  readonly upstreamStatus?: number | undefined
  /** Milliseconds after which the upstream wants to be asked again. */
  readonly retryAfter?: number | undefined
  /** Where the upstream knows better than the code. */
  readonly retryable?: boolean | undefined
  /** What a system says of it, such as ECONNREFUSED. Nothing that the upstream has sent. */
  readonly reason?: string | undefined
}

/**
 * A model has failed. It can be shown to a client: all of it is in our own words, with nothing of the upstream's body, of
 * keys or of addresses, and no `cause`. Thrown in a route of Fastify, it makes the right error response.
 */
export class ModelError extends Error {
  override readonly name = 'ModelError'
  readonly code: ModelErrorCode
  /** What a route should answer with that has sent nothing yet; never 401 or 403. */
  readonly statusCode: number
  /** Whether the same request may succeed later. */
  readonly retryable: boolean
  /** Milliseconds after which the upstream wants to be asked again. */
  readonly retryAfter: number | undefined
  /** What the upstream answered with; undefined where it did not get that far, or failed later. */
  readonly upstreamStatus: number | undefined
  /** What Fastify adds to the error response. */
  declare readonly headers?: { readonly 'retry-after': string }
  /** That clients may see it. */
  readonly expose = true

  constructor (code: ModelErrorCode, { upstreamStatus, retryAfter, retryable, reason = upstreamStatus?.toString() }: ModelErrorDetails = {}) {
    const meaning: ModelErrorMeaning = MODEL_ERRORS[code]
    super(reason === undefined ? meaning.message : `${meaning.message} (${reason})`)
    this.code = code
    this.statusCode = meaning.statusCode
    this.retryable = retryable ?? meaning.retryable
    this.retryAfter = retryAfter
    this.upstreamStatus = upstreamStatus
    if (retryAfter !== undefined && this.retryable) this.headers = { 'retry-after': String(Math.ceil(retryAfter / 1_000)) }
  }
}
