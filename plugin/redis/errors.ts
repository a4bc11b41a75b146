import { createError } from '@fastify/error'
import { createDetailedError } from '../base/detailed-error.ts'

/** Redis could not be reached or refused the command: nothing was done. `detail` and `cause` give the reason. */
export const SSE_ERR_BROKER_UNAVAILABLE = createDetailedError('SSE_ERR_BROKER_UNAVAILABLE', 'Redis is unavailable', 503, Error)

/**
 * It is unknown whether Redis executed the command: the connection was lost before the reply, the reply did not arrive
 * in time, or too few replicas confirmed. An event with an idempotency key can safely be published again.
 */
export const SSE_ERR_BROKER_UNKNOWN = createDetailedError('SSE_ERR_BROKER_UNKNOWN', 'It is unknown whether Redis executed the command', 503, Error)

/** A limit of requests that wait for Redis is reached: nothing was done. */
export const SSE_ERR_BROKER_BUSY = createError('SSE_ERR_BROKER_BUSY', 'Too many requests are waiting for Redis; try again later', 503)
