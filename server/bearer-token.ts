import { createHash, timingSafeEqual } from 'node:crypto'
import createError from '@fastify/error'
import type { onRequestHookHandler } from 'fastify'

const TOKEN_REQUIRED = createError<[string, string]>('TOKEN_REQUIRED', '%s requires the bearer token set by %s', 401)

/**
 * A hook that refuses requests without the bearer token. Hashes of equal length are compared in constant time, so that the
 * response time reveals nothing about the token.
 *
 * @param token an empty string admits every request
 * @param action what requires the token, for the error message
 * @param variable the environment variable that sets the token, for the error message
 */
export function requireToken (token: string, action: string, variable: string): onRequestHookHandler {
  const expected = sha256(token)
  return ({ headers: { authorization = '' } }, _reply, done) => {
    const presented = /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? ''
    if (token === '' || timingSafeEqual(sha256(presented), expected)) done()
    else done(Object.assign(new TOKEN_REQUIRED(action, variable), { headers: { 'www-authenticate': 'Bearer' } }))
  }
}

function sha256 (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
