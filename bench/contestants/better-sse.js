/** As in its recipe for Fastify: it writes to the raw response of a hijacked reply. */
import { once } from 'node:events'
import { createChannel, createSession } from 'better-sse'
import fastify from 'fastify'

export async function start ({ heartbeat }) {
  const app = fastify()
  const createFastifySession = async (request, reply) => {
    reply.hijack()
    return await createSession(request.raw, reply.raw, { keepAlive: heartbeat, serializer: String })
  }

  app.get('/stream', async (request, reply) => {
    const data = 'x'.repeat(request.query.size)
    const stream = await createFastifySession(request, reply)
    for (let remaining = Number(request.query.count); remaining > 0; remaining--) {
      stream.push(data)
      // better-sse has no backpressure; without this, all events would be kept in memory.
      if (reply.raw.writableNeedDrain) await once(reply.raw, 'drain')
    }
    reply.raw.end()
  })
  app.get('/first', async (request, reply) => { (await createFastifySession(request, reply)).push('first') })
  app.get('/idle', async (request, reply) => { await createFastifySession(request, reply) })

  const channel = createChannel()
  app.get('/subscribe', async (request, reply) => { channel.register(await createFastifySession(request, reply)) })
  app.post('/publish', (request, reply) => {
    channel.broadcast(request.body)
    reply.code(204).send()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port, publish: data => { channel.broadcast(data) } }
}
