/** The stream and the model request share one lifetime, as in the first example of docs/models.md. */
import fastify from 'fastify'
import sse, { event, failureOf } from 'fastify-sse-emitter'
import { requestAnswer } from '../model-answer.js'

export async function start ({ modelPort }) {
  const app = fastify()
  await app.register(sse)

  async function * relay (tokens, signal) {
    for await (const delta of requestAnswer(modelPort, tokens, signal)) {
      if (delta.type === 'text') yield event({ text: delta.text }, { event: 'delta' })
      if (delta.type === 'finish') yield event({ finishReason: delta.reason, usage: delta.usage ?? null }, { event: 'done' })
    }
  }

  app.get('/relay', async ({ query }, reply) => {
    const emitter = reply.sse()
    emitter.sendAll(signal => relay(Number(query.max_tokens), signal))
      .catch(async error => await emitter.send(failureOf(error), { event: 'failed' }))
      .then(() => emitter.complete(), () => {})
    return emitter
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: app.server.address().port }
}
