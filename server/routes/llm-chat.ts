import type { FastifyPluginAsync } from 'fastify'
import { failureOf, type SseFailure } from 'fastify-sse-emitter'
import { answerLimit } from '../client-limits.ts'
import type { AnswerMessages } from '../language-model.ts'

const querystring = {
  type: 'object',
  required: ['q'],
  properties: { q: { type: 'string', minLength: 1, maxLength: 8_000 } }
}

export interface LlmChatOptions {
  readonly answer: AnswerMessages
  /** Maximum duration of a stream in milliseconds. A model may reason for minutes before it answers. @default 3600000 */
  readonly timeout?: number
}

const TIMED_OUT: SseFailure = { code: 'timeout', message: 'The answer took too long', retryable: true }

/**
 * Relays a model's answer to the page: the stream opens immediately, and the pieces of the answer are sent as they arrive.
 * The stream and the model request share one lifetime.
 */
export const llmChat: FastifyPluginAsync<LlmChatOptions> = async (app, { answer, timeout = 3_600_000 }) => {
  app.get<{ Querystring: { q: string } }>('/llmChat', { schema: { querystring }, config: answerLimit() }, async ({ query }, reply) => {
    const emitter = reply.sse({ timeout })
    // After a last event the page does not reconnect, which would send the question to the model again.
    emitter.onTimeout(() => emitter.complete({ event: 'failed', data: TIMED_OUT }))
    let result: unknown
    emitter.sendAll(async function * (signal) {
      result = yield * answer([{ role: 'user', content: query.q }], signal)
    }).then(
      () => emitter.complete({ event: 'done', data: result }),
      error => emitter.complete({ event: 'failed', data: failureOf(error) })
    )
    return emitter
  })
}
