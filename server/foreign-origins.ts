import createError from '@fastify/error'
import type { onRequestHookHandler } from 'fastify'

const FOREIGN_ORIGIN = createError('FOREIGN_ORIGIN', 'Pages of %s may not use this server; name the origin in CORS_ORIGIN if they shall', 403)

/**
 * Refuses what pages of other origins ask for. CORS alone would keep them from reading the answer, and still have the
 * work done.
 *
 * @param allowed the origins that may all the same
 */
export function refuseForeignOrigins (allowed: string[]): onRequestHookHandler {
  return (request, _reply, done) => {
    const { origin, host } = request.headers
    // Without an Origin, it is no page's script; with the address it asked for, it is a page of ours.
    if (origin === undefined || origin === `${request.protocol}://${host}` || allowed.includes(origin)) done()
    else done(new FOREIGN_ORIGIN(origin))
  }
}
