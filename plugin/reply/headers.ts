import type { FastifyReply } from 'fastify'

/** What every stream says, unless the reply, its hooks or the option `headers` say otherwise. */
const DEFAULTS = Object.entries({
  // no-transform keeps compressing proxies from holding events back.
  'cache-control': 'no-cache, no-transform',
  // nginx reads it, and does not buffer.
  'x-accel-buffering': 'no'
})

export const CONTENT_TYPE = 'text/event-stream; charset=utf-8'

/** Says that the reply is an event stream. What the reply says already is kept, but for the content type. */
export function setStreamHeaders (reply: FastifyReply): FastifyReply {
  for (const [name, value] of DEFAULTS) {
    if (!reply.hasHeader(name)) reply.header(name, value)
  }
  return reply.type(CONTENT_TYPE)
}

/** Whether a content type is that of an event stream. Clients ignore case and parameters. */
export function isEventStream (contentType: unknown): boolean {
  return typeof contentType === 'string' && /^text\/event-stream\s*(;|$)/i.test(contentType)
}
