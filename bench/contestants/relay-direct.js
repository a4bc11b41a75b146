/** The stream and the model request share one lifetime. */
import fastify from 'fastify'
import sse, { event, failureOf } from 'fastify-sse-emitter'
import { modelAnswer } from '../model-answer.js'

export async function start ({ modelPort }) {
  const app = fastify()
  await app.register(sse)

  async function * relay (tokens, signal) {
    const finish = yield * modelAnswer(modelPort, tokens, signal)
    yield event(finish, { event: 'done' })
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
