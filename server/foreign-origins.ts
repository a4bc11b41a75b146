import createError from '@fastify/error'
import type { onRequestHookHandler } from 'fastify'

const FOREIGN_ORIGIN = createError('FOREIGN_ORIGIN', 'Requests from %s are not allowed; add the origin to CORS_ORIGIN to allow them', 403)

/**
 * A hook that refuses requests from pages of other origins. CORS alone would only hide the response from such a page; the
 * request itself would be carried out.
 *
 * @param allowed origins that are admitted in addition to the server's own
 */
export function refuseForeignOrigins (allowed: string[]): onRequestHookHandler {
  return (request, _reply, done) => {
    const { origin, host } = request.headers
    // Browsers set Origin on every cross-origin request of a script, and on some of our own pages as well.
    if (origin === undefined || origin === `${request.protocol}://${host}` || allowed.includes(origin)) done()
    else done(new FOREIGN_ORIGIN(origin))
  }
}
