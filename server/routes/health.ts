import createError from '@fastify/error'
import type { FastifyPluginAsync } from 'fastify'

const NOT_READY = createError('NOT_READY', 'This server is not connected to Redis', 503)

/**
 * `/healthz` tells a supervisor that the process is alive. `/readyz` tells a load balancer whether it can serve requests;
 * open streams stay open while it can't, and continue afterwards.
 */
export const health: FastifyPluginAsync<{ isReady: () => boolean }> = async (app, { isReady }) => {
  app.get('/healthz', async () => ({ status: 'ok' }))

  app.get('/readyz', async () => {
    if (!isReady()) throw new NOT_READY()
    return { status: 'ready' }
  })
}
