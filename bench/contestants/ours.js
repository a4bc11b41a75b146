import fastify from 'fastify'
import sse from 'fastify-sse-emitter'

export async function start ({ heartbeat, broker }) {
  const app = fastify()
  await app.register(sse, { heartbeat, broker, maxConnections: 0 })

  app.get('/stream', async (request, reply) => {
    const data = 'x'.repeat(request.query.size)
    const emitter = reply.sse()
    for (let remaining = Number(request.query.count); remaining > 0; remaining--) await emitter.send(data)
    emitter.complete()
  })
  app.get('/first', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send('first')
    return emitter
  })
  app.get('/idle', async (_request, reply) => reply.sse())

  const channel = app.sse.channel('bench')
  app.get('/subscribe', async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.subscribe(channel)
    return emitter
  })
  app.post('/publish', async (request, reply) => {
    await channel.publish(request.body)
    return reply.code(204).send()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port, publish: async data => await channel.publish(data) }
}
