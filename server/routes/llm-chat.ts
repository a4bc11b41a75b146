import type { FastifyPluginAsync } from 'fastify'
import { event, failureOf, type SseEvent } from 'fastify-sse-emitter'
import type { AnswerMessages, Message } from '../language-model.ts'

/** Milliseconds after which a stream ends, whatever it is doing. */
const TIMEOUT = 360_000

const querystring = {
  type: 'object',
  required: ['q'],
  properties: { q: { type: 'string', minLength: 1, maxLength: 8_000 } }
}

/**
 * The seed's picture: the page asks, the emitter is there at once, and what the model says is pushed into it piece by
 * piece. Emitter and model live and die together.
 */
export const llmChat: FastifyPluginAsync<{ answer: AnswerMessages }> = async (app, { answer }) => {
  app.get<{ Querystring: { q: string } }>('/llmChat', { schema: { querystring } }, async ({ query }, reply) => {
    const emitter = reply.sse({ timeout: TIMEOUT })
    emitter.sendAll(signal => relay(answer, [{ role: 'user', content: query.q }], signal))
      .catch(async error => await emitter.send(failureOf(error), { event: 'failed' }))
      .then(() => emitter.complete(), () => {})
    return emitter
  })
}

/** What the model says, and how that has ended. */
async function * relay (answer: AnswerMessages, messages: Message[], signal: AbortSignal): AsyncGenerator<SseEvent> {
  const answered = yield * answer(messages, signal)
  yield event(answered, { event: 'done' })
}
