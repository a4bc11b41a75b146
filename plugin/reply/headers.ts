import type { FastifyReply } from 'fastify'

/** Headers of every stream, unless the reply, a hook or the option `headers` sets them. */
const DEFAULTS = Object.entries({
  // A proxy that compresses would delay events; `no-transform` forbids it.
  'cache-control': 'no-cache, no-transform',
  // Tells nginx not to buffer the response.
  'x-accel-buffering': 'no'
})

export const MEDIA_TYPE = 'text/event-stream'

export const CONTENT_TYPE = `${MEDIA_TYPE}; charset=utf-8`

/** Sets the headers of an event stream. Headers that the reply already has are kept, except for the content type. */
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
