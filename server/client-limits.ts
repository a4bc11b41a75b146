import createError from '@fastify/error'
import type { RateLimitOptions } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'

const TOO_MANY_ANSWERS = createError<[string]>('TOO_MANY_ANSWERS', 'You have asked too many questions; try again in %s', 429)

/** Open streams of one client, a tenth of those of all clients. */
export const MAX_STREAMS = 1_000
/** Channel names that one client may bring into use, a tenth of all. */
export const MAX_CHANNELS = 100

/**
 * Limits the answers that one client may start on a route, to a tenth of those that are kept for all clients. An answer is
 * kept for ten minutes after its end.
 */
export const answerLimit = (max = 100): { rateLimit: RateLimitOptions } => ({
  rateLimit: { max, timeWindow: '10 minutes', errorResponseBuilder: (_request, { after }) => new TOO_MANY_ANSWERS(after) }
})

/** The same limit for the built-in model, which this server requests for its own answers. */
export const modelLimit = (): { rateLimit: RateLimitOptions } => ({ rateLimit: { ...answerLimit().rateLimit, allowList: isFromThisMachine } })

/** A request that a trusted proxy on this machine has forwarded has the address of its client. */
function isFromThisMachine ({ ip, socket: { localAddress, remoteAddress } }: FastifyRequest): boolean {
  return localAddress !== undefined && localAddress === remoteAddress && ip === remoteAddress
}
