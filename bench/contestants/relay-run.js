/** The answer is kept in a log and goes on without its client, who may come back to it. */
import { randomUUID } from 'node:crypto'
import fastify from 'fastify'
import sse from 'fastify-sse-emitter'
import { answer } from '../answer.js'

/** Milliseconds for which a log is kept, so that there are not more of them from turn to turn. */
const RETENTION = 1_000

export async function start ({ modelPort }) {
  const app = fastify()
  await app.register(sse, { maxRuns: 0 })

  app.get('/relay', async ({ query }, reply) => {
    const producer = ({ signal }) => answer(modelPort, Number(query.max_tokens), signal)
    const { run } = await app.sse.runs.start(randomUUID(), producer, { retention: RETENTION })
    const emitter = reply.sse()
    await run.watch(emitter)
    return emitter
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port }
}
