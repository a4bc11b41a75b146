import type { FastifyPluginAsync } from 'fastify'
import { event, failureOf, type SseEvent, type SseFailure } from 'fastify-sse-emitter'
import type { AnswerMessages, Message } from '../language-model.ts'

const querystring = {
  type: 'object',
  required: ['q'],
  properties: { q: { type: 'string', minLength: 1, maxLength: 8_000 } }
}

export interface LlmChatOptions {
  readonly answer: AnswerMessages
  /** Milliseconds after which a stream ends, whatever it is doing. @default 360000 */
  readonly timeout?: number
}

const OVERDUE: SseFailure = { code: 'timeout', message: 'It took too long', retryable: true }

/**
 * The seed's picture: the page asks, the emitter is there at once, and what the model says is pushed into it piece by
 * piece. Emitter and model live and die together.
 */
export const llmChat: FastifyPluginAsync<LlmChatOptions> = async (app, { answer, timeout = 360_000 }) => {
  app.get<{ Querystring: { q: string } }>('/llmChat', { schema: { querystring } }, async ({ query }, reply) => {
    const emitter = reply.sse({ timeout })
    // A page that was told nothing would come back, and ask the model anew.
    emitter.onTimeout(() => emitter.send(OVERDUE, { event: 'failed' }))
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
