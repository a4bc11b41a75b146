/** As its recipe for Fastify has it: the reply's own response, past Fastify. */
import { once } from 'node:events'
import { createChannel, createSession } from 'better-sse'
import fastify from 'fastify'

export async function start ({ heartbeat }) {
  const app = fastify()
  const session = async (request, reply) => {
    reply.hijack()
    return await createSession(request.raw, reply.raw, { keepAlive: heartbeat, serializer: String })
  }

  app.get('/stream', async (request, reply) => {
    const data = 'x'.repeat(request.query.size)
    const stream = await session(request, reply)
    for (let left = Number(request.query.count); left > 0; left--) {
      stream.push(data)
      // It does not wait for its client; without this it would keep everything in memory.
      if (reply.raw.writableNeedDrain) await once(reply.raw, 'drain')
    }
    reply.raw.end()
  })
  app.get('/first', async (request, reply) => { (await session(request, reply)).push('first') })
  app.get('/idle', async (request, reply) => { await session(request, reply) })

  const channel = createChannel()
  app.get('/subscribe', async (request, reply) => { channel.register(await session(request, reply)) })
  app.post('/publish', (request, reply) => {
    channel.broadcast(request.body)
    reply.code(204).send()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port, publish: data => { channel.broadcast(data) } }
}
