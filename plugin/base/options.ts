import { SSE_ERR_OPTION } from './errors.ts'
import { Option, optionsResolver, type Fail } from './option-checks.ts'

const fail: Fail = (message, detail) => { throw new SSE_ERR_OPTION(message, detail) }

/**
 * Checks options and fills in defaults. Every function on the server that accepts options calls it.
 *
 * @param subject what the options belong to, for messages: `reply.sse()`
 * @param options the options that the caller passed, or `undefined` for the defaults
 * @throws SSE_ERR_OPTION if the options are not an object, or one of them is unknown or invalid
 */
export const resolveOptions = optionsResolver(fail)

/** Returns an option that is not passed to a function of this package, for a check. */
export function optionNamed (name: string): Option {
  return new Option(name, fail)
}
