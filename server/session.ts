import { createHash, randomBytes } from 'node:crypto'
import type { FastifyRequest, onRequestHookHandler } from 'fastify'

const COOKIE = /(?:^|; *)sse-demo-session=([\w-]{22})(?:;|$)/
const ATTRIBUTES = 'Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax'

/** A hook that gives a browser a session when it loads a page. */
export const startSession: onRequestHookHandler = ({ headers: { accept = '', cookie = '' } }, reply, done) => {
  if (accept.includes('text/html') && !COOKIE.test(cookie)) {
    reply.header('set-cookie', `sse-demo-session=${randomBytes(16).toString('base64url')}; ${ATTRIBUTES}`)
  }
  done()
}

/**
 * Returns a digest of a key that the client chose. It is different for each session, so that a client can't reach what another
 * one has created by sending the same key. A client without a cookie, such as curl, is identified by its address.
 */
export function sessionKey ({ headers: { cookie = '' }, ip }: FastifyRequest, key: string): string {
  const session = COOKIE.exec(cookie)?.[1] ?? ip
  return createHash('sha256').update(`${session}\n${key}`).digest('base64url')
}
