/** What those who are polled share: a plain route of Fastify's, for clients that keep their connections. */
import fastify from 'fastify'
import { eventData } from './event.js'

/** Bytes of data in what is published. */
export const SIZE = 600

/** A contestant. @param interval milliseconds from one request of a client to the next */
export async function startPolled (interval) {
  const app = fastify()
  let text
  // It is the same text for all who ask until the next is published.
  const publish = data => { text = JSON.stringify({ data }) }
  publish(eventData(SIZE))
  app.get('/latest', (_request, reply) => { reply.header('content-type', 'application/json; charset=utf-8').send(text) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port, publish, account: { clients: () => ({ path: '/latest', interval }) } }
}
