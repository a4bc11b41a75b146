import type { FastifyPluginAsync } from 'fastify'

interface HealthOptions {
  readonly isReady: () => boolean
  /** Whether the server is about to close. */
  readonly isDraining: () => boolean
}

const DRAINING = { code: 'DRAINING', message: 'This server is about to close' }
const NOT_READY = { code: 'NOT_READY', message: 'This server is not connected to Redis' }

/** Load balancers send a probe every few seconds, so its requests are not logged. */
const PROBE = { logLevel: 'warn' } as const

/**
 * `/healthz` tells a supervisor that the process is alive. `/readyz` tells a load balancer whether it can serve requests;
 * open streams stay open while it can't, and continue afterwards.
 */
export const health: FastifyPluginAsync<HealthOptions> = async (app, { isReady, isDraining }) => {
  let wasReady = true

  app.get('/healthz', PROBE, async () => ({ status: 'ok' }))

  app.get('/readyz', PROBE, async (_request, reply) => {
    const ready = isReady()
    if (ready !== wasReady) app.log[ready ? 'info' : 'warn'](ready ? 'ready again' : `not ready: ${NOT_READY.message}`)
    wasReady = ready
    if (ready && !isDraining()) return { status: 'ready' }
    // Fastify would log an error that is thrown.
    return reply.code(503).send({ statusCode: 503, error: 'Service Unavailable', ...isDraining() ? DRAINING : NOT_READY })
  })
}
