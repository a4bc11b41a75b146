/** The answer is a run: it is kept in a log, and continues if its client disconnects. */
import { randomUUID } from 'node:crypto'
import fastify from 'fastify'
import sse, { event } from 'fastify-sse-emitter'
import { requestAnswer } from '../model-answer.js'

/** Milliseconds for which a log is kept; short, so that logs do not accumulate over the turns. */
const RETENTION = 1_000

export async function start ({ modelPort }) {
  const app = fastify()
  await app.register(sse, { maxRuns: 0 })

  app.get('/relay', async ({ query }, reply) => {
    const { run } = await app.sse.runs.start(randomUUID(), async function * ({ signal }) {
      let end
      for await (const delta of requestAnswer(modelPort, Number(query.max_tokens), signal)) {
        if (delta.type === 'text') yield event({ text: delta.text }, { event: 'delta' })
        if (delta.type === 'finish') end = { finishReason: delta.reason, usage: delta.usage ?? null }
      }
      return end
    }, { retention: RETENTION })
    const emitter = reply.sse()
    await run.watch(emitter)
    return emitter
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port }
}
