import fastify from 'fastify'
import { FastifySSEPlugin } from 'fastify-sse-v2'

export async function start ({ heartbeat }) {
  const app = fastify()
  app.register(FastifySSEPlugin)

  app.get('/stream', (request, reply) => {
    const data = 'x'.repeat(request.query.size)
    reply.sse((async function * () {
      for (let remaining = Number(request.query.count); remaining > 0; remaining--) yield { data }
    })())
  })
  const idle = new Set()
  // fastify-sse-v2 has no heartbeats.
  setInterval(() => { for (const reply of idle) reply.sse({ comment: '' }) }, heartbeat).unref()
  const keepOpen = reply => {
    idle.add(reply)
    reply.raw.on('close', () => { idle.delete(reply) })
  }
  app.get('/first', (_request, reply) => {
    reply.sse({ data: 'first' })
    keepOpen(reply)
  })
  app.get('/idle', (_request, reply) => {
    // The stream opens with its first event.
    reply.sse({ comment: 'open' })
    keepOpen(reply)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port }
}
