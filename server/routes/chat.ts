import { createHash, randomUUID } from 'node:crypto'
import type { FastifyPluginAsync } from 'fastify'
import createError from '@fastify/error'
import { answerLimit } from '../client-limits.ts'
import type { AnswerEvents, AnswerMessages, Message } from '../language-model.ts'
import { sessionKey } from '../session.ts'

const UNKNOWN_CHAT = createError('UNKNOWN_CHAT', 'Unknown answer, or one that is no longer kept', 404)

const BODY_LIMIT = 64 * 1024

const headers = {
  type: 'object',
  properties: { 'idempotency-key': { type: 'string', pattern: '^[ -~]{1,255}$' } }
}

const body = {
  type: 'object',
  required: ['messages'],
  additionalProperties: false,
  properties: {
    messages: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: {
        type: 'object',
        required: ['role', 'content'],
        additionalProperties: false,
        properties: { role: { type: 'string', enum: ['system', 'user', 'assistant'] }, content: { type: 'string' } }
      }
    }
  }
}

interface StartRoute {
  Headers: { 'idempotency-key'?: string }
  Body: { messages: Message[] }
}

interface AnswerRoute {
  Params: { id: string }
}

/**
 * Answers that outlive a connection: `POST /chat` starts one, `GET /chat/:id` streams it to any number of clients, and
 * `DELETE /chat/:id` stops it. Knowing the id is sufficient for access, since ids can't be guessed. An idempotency key
 * belongs to the session of its client.
 */
export const chat: FastifyPluginAsync<{ answer: AnswerMessages }> = async (app, { answer }) => {
  const { runs } = app.sse
  /** Remembers which question an idempotency key was used for. */
  const keys = app.sse.channel('chat:keys', { history: { count: 0 } })

  app.post<StartRoute>('/chat', { bodyLimit: BODY_LIMIT, schema: { headers, body }, config: answerLimit() }, async (request, reply) => {
    const { headers, body: { messages } } = request
    const key = headers['idempotency-key'] && sessionKey(request, headers['idempotency-key'])
    const question = JSON.stringify(messages.map(({ role, content }) => [role, content]))
    if (key !== undefined) await keys.publish(digest(question), { idempotencyKey: key })
    const id = key === undefined ? randomUUID() : digest(`${key}\n${question}`)
    const { repeated } = await runs.start<AnswerEvents>(runIdOf(id), ({ signal }) => answer(messages, signal))
    const url = `/chat/${id}`
    reply.code(repeated ? 200 : 201).header('location', url)
    return { id, url }
  })

  app.get<AnswerRoute>('/chat/:id', async ({ params: { id } }, reply) => {
    const run = await runs.get(runIdOf(id))
    if (run === undefined) throw new UNKNOWN_CHAT()
    const emitter = reply.sse()
    await run.watch(emitter)
    return emitter
  })

  app.delete<AnswerRoute>('/chat/:id', async ({ params: { id } }, reply) => {
    if (!await runs.cancel(runIdOf(id))) throw new UNKNOWN_CHAT()
    reply.code(204)
  })
}

/** The id of the run of an answer. @throws UNKNOWN_CHAT (404) if no answer can have this id */
function runIdOf (id: string): string {
  if (!/^[\w-]{1,64}$/.test(id)) throw new UNKNOWN_CHAT()
  return `chat:${id}`
}

function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
