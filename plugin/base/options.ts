import { SSE_ERR_OPTION } from './errors.ts'
import { optionsResolver } from './option-checks.ts'

/**
 * Checks options and fills in defaults. Every function on the server that accepts options calls it.
 *
 * @param subject what the options belong to, for messages: `reply.sse()`
 * @param options the options that the caller passed, or `undefined` for the defaults
 * @throws SSE_ERR_OPTION if the options are not an object, or one of them is unknown or invalid
 */
export const resolveOptions = optionsResolver((message, detail) => { throw new SSE_ERR_OPTION(message, detail) })
