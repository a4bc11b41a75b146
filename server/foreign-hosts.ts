import { isIP } from 'node:net'
import createError from '@fastify/error'
import type { onRequestHookHandler } from 'fastify'

const FOREIGN_HOST = createError('FOREIGN_HOST', 'Requests for this host are not allowed; add its name to ALLOWED_HOSTS to allow them', 403)

/**
 * A hook that refuses requests for unknown host names. Otherwise, a page of another site could use this server as its own
 * origin, by making its name resolve to this machine's address (DNS rebinding). An address can't be rebound.
 *
 * @param allowed names that are admitted in addition to addresses and `localhost`
 */
export function refuseForeignHosts (allowed: string[]): onRequestHookHandler {
  const names = new Set(['localhost', ...allowed.map(name => name.toLowerCase())])
  return ({ headers: { host } }, _reply, done) => {
    // Only HTTP/1.0 permits a request without a host. Browsers always send it.
    const name = host === undefined ? 'localhost' : nameOf(host)
    if (names.has(name) || name.endsWith('.localhost') || isIP(name) !== 0) done()
    else done(new FOREIGN_HOST())
  }
}

/** A host without its port and brackets, in lower case. */
function nameOf (host: string): string {
  return host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1').toLowerCase()
}
