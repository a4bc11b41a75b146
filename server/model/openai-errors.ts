import createError from '@fastify/error'

/** The messages are longer than what the model can hold in mind. */
export const CONTEXT_LENGTH_EXCEEDED = createError<[number]>('CONTEXT_LENGTH_EXCEEDED', 'The messages have more than %d tokens, which is all that this model can hold in mind', 400)

/** What `/429` asks for. */
export const RATE_LIMIT_EXCEEDED = createError('RATE_LIMIT_EXCEEDED', 'Too many requests, as you wished; try again in 2 s', 429)

/** What `/500` and `/fail` ask for. */
export const MODEL_FAILED = createError('MODEL_FAILED', 'The model has failed, as you wished', 500)

/** An error as OpenAI's API tells it. */
export interface OpenAIError {
  readonly message: string
  readonly type: 'invalid_request_error' | 'rate_limit_error' | 'server_error'
  /** The field of the request that is wrong, for instance `messages[0].role`. */
  readonly param: string | null
  readonly code: string | null
}

/** What is known of whatever was thrown. */
interface Thrown {
  readonly message: string
  readonly code?: string
  readonly statusCode?: number
  readonly validation?: ReadonlyArray<{ readonly instancePath: string, readonly params: { readonly missingProperty?: unknown } }>
}

/** An error's HTTP status. */
export function statusOf (error: unknown): number {
  const { statusCode = 500 } = error as Thrown
  return statusCode >= 400 ? statusCode : 500
}

/** Tells an error in OpenAI's way. Of one that has no status, and so is not meant for clients, it tells nothing. */
export function openAIError (error: unknown): OpenAIError {
  const { message, code, statusCode, validation } = error as Thrown
  const status = statusOf(error)
  const type = status >= 500 ? 'server_error' : status === 429 ? 'rate_limit_error' : 'invalid_request_error'
  if (statusCode === undefined) return { message: 'Something went wrong on the server', type, param: null, code: null }
  // Codes there are in lower case.
  return { message, type, param: paramOf(validation?.[0]), code: code?.toLowerCase() ?? null }
}

/** `/messages/0/role` is `messages[0].role` there. */
function paramOf (problem: NonNullable<Thrown['validation']>[number] | undefined): string | null {
  if (problem === undefined) return null
  const { instancePath, params: { missingProperty } } = problem
  const path = missingProperty === undefined ? instancePath : `${instancePath}/${missingProperty}`
  return path.replaceAll(/\/(\d+)/g, '[$1]').replaceAll('/', '.').slice(1) || null
}
