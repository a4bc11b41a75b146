/** Shared by the polled contestants: a plain Fastify route, for clients with persistent connections. */
import fastify from 'fastify'
import { eventData } from './event-data.js'

/** Bytes of data in a published event. */
export const SIZE = 600

/** @param interval milliseconds between two requests of a client */
export async function startPolled (interval) {
  const app = fastify()
  let text
  // Serialized once for all clients.
  const publish = data => { text = JSON.stringify({ data }) }
  publish(eventData(SIZE))
  app.get('/latest', (_request, reply) => { reply.header('content-type', 'application/json; charset=utf-8').send(text) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port, publish, tasks: { clientOptions: () => ({ path: '/latest', interval }) } }
}
