import createError from '@fastify/error'
import type { FastifyPluginAsync } from 'fastify'

const NOT_READY = createError('NOT_READY', 'This server has no connection to Redis', 503)

/**
 * For supervisors, that the process is alive; for load balancers, that it can do its work. Streams that are open stay
 * so while it cannot, and go on when it can again.
 */
export const health: FastifyPluginAsync<{ isReady: () => boolean }> = async (app, { isReady }) => {
  app.get('/healthz', async () => ({ status: 'ok' }))

  app.get('/readyz', async () => {
    if (!isReady()) throw new NOT_READY()
    return { status: 'ready' }
  })
}
