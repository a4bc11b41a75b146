import { SSE_ERR_OPTION } from './errors.ts'
import { optionsResolver } from './option-checks.ts'

/**
 * Checks options and fills in defaults. Every function of this package that accepts options uses it.
 *
 * @param subject what the options belong to, for messages: `reply.sse()`
 * @param options what the caller passed; `undefined` stands for no options
 * @throws SSE_ERR_OPTION for an unknown name, an invalid value, or options that are not an object
 */
export const resolveOptions = optionsResolver(message => { throw new SSE_ERR_OPTION(message) })
