/** One of several nodes on the same Redis, with subscribers. */
import fastify from 'fastify'
import sse from 'fastify-sse-emitter'
import { redisBroker } from 'fastify-sse-emitter/redis'

const app = fastify()
await app.register(sse, { broker: redisBroker({ url: process.argv[2], onError: () => {} }) })
const channel = app.sse.channel('bench')

app.get('/subscribe', async (_request, reply) => {
  const emitter = reply.sse()
  await emitter.subscribe(channel)
  return emitter
})
app.post('/publish', async (request, reply) => {
  await channel.publish(request.body, { idempotencyKey: request.headers['idempotency-key'] })
  return reply.code(204).send()
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.on('disconnect', () => process.exit())
process.send(app.server.address().port)
