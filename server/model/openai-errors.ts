import createError from '@fastify/error'

export const CONTEXT_LENGTH_EXCEEDED = createError<[number]>('CONTEXT_LENGTH_EXCEEDED', 'The messages exceed the maximum context length of %d tokens', 400)

/** Requested by `/429`. */
export const RATE_LIMIT_EXCEEDED = createError('RATE_LIMIT_EXCEEDED', 'Rate limit exceeded, as requested; try again in 2 s', 429)

/** Requested by `/500` and `/fail`. */
export const MODEL_FAILED = createError('MODEL_FAILED', 'The model failed, as requested', 500)

/** An error object of OpenAI's API. */
export interface OpenAIError {
  readonly message: string
  readonly type: 'invalid_request_error' | 'rate_limit_error' | 'server_error'
  /** The invalid field of the request, for instance `messages[0].role`. */
  readonly param: string | null
  readonly code: string | null
}

/** The properties that a thrown error may have. */
interface ThrownError {
  readonly message: string
  readonly code?: string
  readonly statusCode?: number
  readonly validation?: ReadonlyArray<{ readonly instancePath: string, readonly params: { readonly missingProperty?: unknown } }>
}

/** The HTTP status of an error. */
export function statusOf (error: unknown): number {
  const { statusCode = 500 } = error as ThrownError
  return statusCode >= 400 ? statusCode : 500
}

/** Converts an error to OpenAI's format. The details of an error without a status are internal and never sent. */
export function toOpenAIError (error: unknown): OpenAIError {
  const { message, code, statusCode, validation } = error as ThrownError
  const status = statusOf(error)
  const type = status >= 500 ? 'server_error' : status === 429 ? 'rate_limit_error' : 'invalid_request_error'
  if (statusCode === undefined) return { message: 'Internal server error', type, param: null, code: null }
  // OpenAI's codes are lower case.
  return { message, type, param: paramOf(validation?.[0]), code: code?.toLowerCase() ?? null }
}

/** Converts the path `/messages/0/role` to OpenAI's form `messages[0].role`. */
function paramOf (problem: NonNullable<ThrownError['validation']>[number] | undefined): string | null {
  if (problem === undefined) return null
  const { instancePath, params: { missingProperty } } = problem
  const path = missingProperty === undefined ? instancePath : `${instancePath}/${missingProperty}`
  return path.replaceAll(/\/(\d+)/g, '[$1]').replaceAll('/', '.').slice(1) || null
}
