import createError from '@fastify/error'

/** Redis could not be asked, or has refused: nothing was done. The message and `cause` say why. */
export const SSE_ERR_BROKER_UNAVAILABLE = createError('SSE_ERR_BROKER_UNAVAILABLE', 'Redis does not take anything: %s', 503)

/**
 * It is not known what Redis has done: the connection was lost before the answer came, or the answer did not come in
 * time, or too few replicas have confirmed. What has an idempotency key may be published again.
 */
export const SSE_ERR_BROKER_UNKNOWN = createError('SSE_ERR_BROKER_UNKNOWN', 'It is not known whether Redis has taken it: %s', 503)

/** More waits for Redis than may wait: nothing was done. */
export const SSE_ERR_BROKER_BUSY = createError('SSE_ERR_BROKER_BUSY', 'Too much waits for Redis, try again later', 503)
