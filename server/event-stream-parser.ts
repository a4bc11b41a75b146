import type { FastifyPluginAsync } from 'fastify'
import { EventStreamParser } from '../plugin/wire/event-stream-parser.ts'

/** The class as this process runs it, which is JavaScript whether Node.js or a build has removed the types. */
const MODULE = `export ${EventStreamParser}\n`

/**
 * Serves the package's parser of event streams as a module. Pages of any origin may import it: chat.html does, when it is
 * opened from disk.
 */
export const eventStreamParser: FastifyPluginAsync = async app => {
  app.get('/event-stream-parser.js', async (_request, reply) => {
    return await reply.type('text/javascript; charset=utf-8').header('access-control-allow-origin', '*').send(MODULE)
  })
}
