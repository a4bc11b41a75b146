import { createHash } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import createError from '@fastify/error'
import type { SseEmitter, SseRun } from 'fastify-sse-emitter'
import { answerLimit } from '../client-limits.ts'
import type { AnswerEvents, AnswerMessages, Message } from '../language-model.ts'
import { sessionKey } from '../session.ts'
import { uiMessageStream } from '../ui-message-stream.ts'

const UNKNOWN_CHAT = createError('UNKNOWN_CHAT', 'Unknown chat, or one that is no longer kept', 404)

const BODY_LIMIT = 256 * 1024
/** Milliseconds for which the latest answer of a chat is remembered. */
const MAX_AGE = 30 * 60 * 1_000

const params = {
  type: 'object',
  properties: { chatId: { type: 'string', pattern: '^[ -~]{1,100}$' } }
}

const body = {
  type: 'object',
  required: ['id', 'messages'],
  properties: {
    id: params.properties.chatId,
    messages: {
      type: 'array',
      minItems: 1,
      maxItems: 100,
      items: {
        type: 'object',
        required: ['role', 'parts'],
        properties: {
          role: { type: 'string', enum: ['system', 'user', 'assistant'] },
          parts: { type: 'array', maxItems: 1_000, items: { type: 'object', required: ['type'], properties: { type: { type: 'string' }, text: { type: 'string' } } } }
        }
      }
    }
  }
}

interface UiMessage {
  readonly role: Message['role']
  readonly parts: ReadonlyArray<{ readonly type: string, readonly text?: string }>
}

interface SendRoute { Body: { id: string, messages: UiMessage[] } }
interface ChatRoute { Params: { chatId: string } }

/**
 * The protocol of the AI SDK's `useChat`. An answer is a run, and the SDK reads a view of it. `resume` replays it from the
 * start, as the SDK expects. Closing the page stops nothing; `DELETE` stops the answer. A chat belongs to the session of its
 * client, who chooses its id.
 */
export const uiChat: FastifyPluginAsync<{ answer: AnswerMessages }> = async (app, { answer }) => {
  const { runs } = app.sse
  /** The channel that remembers the latest answer of a chat. */
  const latestChannelOf = (chat: string) => app.sse.channel<{ message: string }>(`ui-chat:${chat}`, { history: { count: 1, age: MAX_AGE } })

  const latest = async (chat: string): Promise<{ run?: SseRun | undefined, entryId?: string }> => {
    const { entries: [entry] } = await latestChannelOf(chat).replay()
    return entry === undefined ? {} : { run: await runs.get(entry.data!), entryId: entry.id }
  }

  app.post<SendRoute>('/api/chat', { bodyLimit: BODY_LIMIT, schema: { body }, config: answerLimit() }, async (request, reply) => {
    const { id, messages } = request.body
    const chat = sessionKey(request, id)
    const question = messages.map(({ role, parts }) => ({ role, content: parts.map(({ type, text }) => type === 'text' ? text ?? '' : '').join('') }))
    // The same question, sent again while it is being answered, is a repeated request.
    const prefix = `ui-chat:${digest(JSON.stringify([chat, question]))}`
    const { run: running, entryId = '' } = await latest(chat)
    if (running?.state === 'running' && running.id.startsWith(prefix)) return sendView(running, reply)
    await running?.cancel()
    // Simultaneous requests see the same latest entry, so that they start the same run.
    const { run } = await runs.start<AnswerEvents>(`${prefix}:${entryId}`, ({ signal }) => answer(question, signal))
    await latestChannelOf(chat).publish(run.id)
    return sendView(run, reply)
  })

  app.get<ChatRoute>('/api/chat/:chatId/stream', { schema: { params } }, async (request, reply) => {
    const { run } = await latest(sessionKey(request, request.params.chatId))
    if (run?.state !== 'running') return await reply.code(204).send()
    return sendView(run, reply)
  })

  app.delete<ChatRoute>('/api/chat/:chatId', { schema: { params } }, async (request, reply) => {
    const { run } = await latest(sessionKey(request, request.params.chatId))
    if (run === undefined) throw new UNKNOWN_CHAT()
    await run.cancel()
    reply.code(204)
  })
}

/** Streams a run in the SDK's format. */
function sendView (run: SseRun, reply: FastifyReply): SseEmitter {
  const emitter = reply.sse({ accept: false, spaceAfterColon: true, headers: { 'x-vercel-ai-ui-message-stream': 'v1' } })
  emitter.sendAll(signal => uiMessageStream(run.read({ signal }), run.id)).then(
    () => emitter.complete(),
    error => emitter.completeWithError(error)
  )
  return emitter
}

function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
