import createError from '@fastify/error'
import type { FastifyPluginAsync } from 'fastify'

const DRAINING = createError('DRAINING', 'This server is about to close', 503)
const NOT_READY = createError('NOT_READY', 'This server is not connected to Redis', 503)

/**
 * `/healthz` tells a supervisor that the process is alive. `/readyz` tells a load balancer whether it can serve requests;
 * open streams stay open while it can't, and continue afterwards.
 *
 * @param isDraining whether the server is about to close
 */
export const health: FastifyPluginAsync<{ isReady: () => boolean, isDraining: () => boolean }> = async (app, { isReady, isDraining }) => {
  app.get('/healthz', async () => ({ status: 'ok' }))

  app.get('/readyz', async () => {
    if (isDraining()) throw new DRAINING()
    if (!isReady()) throw new NOT_READY()
    return { status: 'ready' }
  })
}
