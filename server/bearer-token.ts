import { createHash, timingSafeEqual } from 'node:crypto'
import createError from '@fastify/error'
import type { onRequestHookHandler } from 'fastify'

const TOKEN_REQUIRED = createError('TOKEN_REQUIRED', 'This takes the token of PUBLISH_TOKEN, in the header authorization: Bearer …', 401)

/**
 * Refuses who does not show a token. Hashes are compared, in constant time, so that how long it takes tells nothing of
 * the token.
 *
 * @param token empty: nobody is refused
 */
export function requireToken (token: string): onRequestHookHandler {
  const required = digest(token)
  return ({ headers: { authorization = '' } }, _reply, done) => {
    const shown = /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? ''
    if (token === '' || timingSafeEqual(digest(shown), required)) done()
    else done(Object.assign(new TOKEN_REQUIRED(), { headers: { 'www-authenticate': 'Bearer' } }))
  }
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
