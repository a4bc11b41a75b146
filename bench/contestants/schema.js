import fastify from 'fastify'
import sse from 'fastify-sse-emitter'

/** An event of 20 fields, such as an order of a shop. */
export const EVENT = {
  id: 'a81bc81b-dead-4e5d-abff-90865d1e13b1', number: 104_233, status: 'shipped', currency: 'EUR', total: 129.95, tax: 20.75, discount: 0, items: 3,
  weight: 2.4, express: true, gift: false, createdAt: '2026-03-01T10:15:00.000Z', updatedAt: '2026-03-02T08:00:12.000Z', customer: 'Ada Lovelace',
  email: 'ada@example.com', street: '12 St James\'s Square', city: 'London', postcode: 'SW1Y 4JH', country: 'GB', note: 'Leave with the neighbour'
}

const SCHEMA = {
  type: 'object',
  properties: Object.fromEntries(Object.entries(EVENT).map(([name, value]) => [name, { type: typeof value }])),
  required: Object.keys(EVENT)
}

export async function start ({ heartbeat, withSchema = true }) {
  const app = fastify()
  await app.register(sse, { heartbeat, maxConnections: 0 })
  app.get('/stream', { ...withSchema && { schema: { sse: { order: SCHEMA } } } }, async (request, reply) => {
    const emitter = reply.sse()
    for (let remaining = Number(request.query.count); remaining > 0; remaining--) await emitter.send(EVENT, { event: 'order' })
    emitter.complete()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port }
}
