import fastify from 'fastify'
import sse from 'fastify-sse-emitter'

/** An event of 20 fields: a quote, as a page with live charts receives it. */
const EVENT = {
  symbol: 'ACME',
  venue: 'XNAS',
  currency: 'USD',
  halted: false,
  sequence: 184_467,
  time: 1_767_225_600_123,
  bid: 189.42,
  bidSize: 300,
  ask: 189.45,
  askSize: 500,
  last: 189.44,
  lastSize: 100,
  open: 187.1,
  high: 190.02,
  low: 186.75,
  close: 188.9,
  volume: 48_211_904,
  vwap: 188.61,
  trades: 512_230,
  change: 0.54
}

const SCHEMA = {
  type: 'object',
  properties: Object.fromEntries(Object.entries(EVENT).map(([name, value]) => [name, { type: Number.isInteger(value) ? 'integer' : typeof value }])),
  required: Object.keys(EVENT)
}

export async function start ({ heartbeat, withSchema = true }) {
  const app = fastify()
  await app.register(sse, { heartbeat, maxConnections: 0 })
  app.get('/stream', { ...withSchema && { schema: { sse: { quote: SCHEMA } } } }, async (request, reply) => {
    const emitter = reply.sse()
    for (let remaining = Number(request.query.count); remaining > 0; remaining--) await emitter.send(EVENT, { event: 'quote' })
    emitter.complete()
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port }
}
