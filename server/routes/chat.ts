import { createHash, randomUUID } from 'node:crypto'
import type { FastifyPluginAsync } from 'fastify'
import createError from '@fastify/error'
import type { AnswerEvents, AnswerMessages, Message } from '../language-model.ts'

const UNKNOWN_CHAT = createError('UNKNOWN_CHAT', 'There is no such answer, or it is not kept any more', 404)

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

interface Ask {
  Headers: { 'idempotency-key'?: string }
  Body: { messages: Message[] }
}

interface One {
  Params: { id: string }
}

/**
 * Answers that survive the connection: one request begins an answer, another watches it, as often as need be and from
 * anywhere, and a third stops it. Who knows an id may do so; ids are not to be guessed.
 */
export const chat: FastifyPluginAsync<{ answer: AnswerMessages }> = async (app, { answer }) => {
  const { runs } = app.sse
  /** Remembers which key was used for what. */
  const keys = app.sse.channel('chat:keys', { history: { count: 0 } })

  app.post<Ask>('/chat', { bodyLimit: BODY_LIMIT, schema: { headers, body } }, async ({ headers, body: { messages } }, reply) => {
    const key = headers['idempotency-key']
    const question = JSON.stringify(messages.map(({ role, content }) => [role, content]))
    if (key !== undefined) await keys.publish(digest(question), { idempotencyKey: key })
    const id = key === undefined ? randomUUID() : digest(`${key}\n${question}`)
    const { repeated } = await runs.start<AnswerEvents>(runOf(id), ({ signal }) => answer(messages, signal))
    const url = `/chat/${id}`
    reply.code(repeated ? 200 : 201).header('location', url)
    return { id, url }
  })

  app.get<One>('/chat/:id', async ({ params: { id } }, reply) => {
    const run = await runs.get(runOf(id))
    if (run === undefined) throw new UNKNOWN_CHAT()
    const emitter = reply.sse()
    await run.watch(emitter)
    return emitter
  })

  app.delete<One>('/chat/:id', async ({ params: { id } }, reply) => {
    if (!await runs.cancel(runOf(id))) throw new UNKNOWN_CHAT()
    reply.code(204)
  })
}

/** The run of an answer. What cannot be an id of ours is none that there is. */
function runOf (id: string): string {
  if (!/^[\w-]{1,64}$/.test(id)) throw new UNKNOWN_CHAT()
  return `chat:${id}`
}

function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
