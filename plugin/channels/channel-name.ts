import { SSE_ERR_CHANNEL } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'

/**
 * Returns the name of a channel. Names that start with `sse-` are for messages between processes.
 *
 * @throws SSE_ERR_CHANNEL unless it is 1 to 255 characters without control characters, and does not start with `sse-`
 */
export function channelName (name: unknown): string {
  // eslint-disable-next-line no-control-regex -- finding control characters is the point
  if (typeof name === 'string' && /^(?!sse-)[^\0-\x1f\x7f]{1,255}$/.test(name)) return name
  throw new SSE_ERR_CHANNEL(`received ${describe(name)}`)
}
