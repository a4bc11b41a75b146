import sse from '@fastify/sse'
import fastify from 'fastify'

export async function start ({ heartbeat }) {
  const app = fastify()
  await app.register(sse, { heartbeatInterval: heartbeat })

  app.get('/stream', { sse: 'only' }, async (request, reply) => {
    const data = 'x'.repeat(request.query.size)
    // A plain string is sent unchanged; as `data` it would be quoted.
    for (let remaining = Number(request.query.count); remaining > 0; remaining--) await reply.sse.send(data)
  })
  app.get('/first', { sse: 'only' }, async (_request, reply) => {
    reply.sse.keepAlive()
    await reply.sse.send('first')
  })
  const open = reply => {
    reply.sse.keepAlive()
    reply.sse.sendHeaders()
    // sendHeaders() does not flush them.
    reply.raw.flushHeaders()
  }
  app.get('/idle', { sse: 'only' }, async (_request, reply) => { open(reply) })

  // @fastify/sse has no channels.
  const subscribers = new Set()
  const publish = data => { for (const reply of subscribers) reply.sse.send(data) }
  app.get('/subscribe', { sse: 'only' }, async (_request, reply) => {
    open(reply)
    subscribers.add(reply)
    reply.sse.onClose(() => { subscribers.delete(reply) })
  })
  app.post('/publish', (request, reply) => {
    publish(request.body)
    reply.code(204).send()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port, publish }
}
