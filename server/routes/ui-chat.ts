import { createHash } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import createError from '@fastify/error'
import type { SseEmitter, SseRun } from 'fastify-sse-emitter'
import type { AnswerEvents, AnswerMessages, Message } from '../language-model.ts'
import { uiMessageStream } from '../ui-message-stream.ts'

const UNKNOWN_CHAT = createError('UNKNOWN_CHAT', 'There is no such chat, or it is not kept any more', 404)

const BODY_LIMIT = 256 * 1024
/** Milliseconds for which it is known which answer of a chat is the latest. */
const AGE = 30 * 60 * 1_000

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

interface Ask { Body: { id: string, messages: UiMessage[] } }
interface One { Params: { chatId: string } }

/**
 * The protocol of the AI SDK's `useChat`, so that it works here as it is: an answer is a run, and what the SDK reads is a
 * view of it. `resume` gets the whole again, as the SDK expects; leaving stops nothing, DELETE does.
 */
export const uiChat: FastifyPluginAsync<{ answer: AnswerMessages }> = async (app, { answer }) => {
  const { runs } = app.sse
  /** Where it is noted which answer of a chat is the latest. */
  const noteOf = (chatId: string) => app.sse.channel<{ message: string }>(`ui-chat:${chatId}`, { history: { count: 1, age: AGE } })

  const latest = async (chatId: string): Promise<{ run?: SseRun | undefined, noteId?: string }> => {
    const { entries: [note] } = await noteOf(chatId).replay()
    return note === undefined ? {} : { run: await runs.get(note.data!), noteId: note.id }
  }

  app.post<Ask>('/api/chat', { bodyLimit: BODY_LIMIT, schema: { body } }, async ({ body: { id: chatId, messages } }, reply) => {
    const question = messages.map(({ role, parts }) => ({ role, content: parts.map(({ type, text }) => type === 'text' ? text ?? '' : '').join('') }))
    // The same question while it is being answered is the same request once more.
    const prefix = `ui-chat:${digest(JSON.stringify([chatId, question]))}`
    const { run: running, noteId = '' } = await latest(chatId)
    if (running?.state === 'running' && running.id.startsWith(prefix)) return view(running, reply)
    await running?.cancel()
    // What is asked after the same note at the same time is asked once.
    const { run } = await runs.start<AnswerEvents>(`${prefix}:${noteId}`, ({ signal }) => answer(question, signal))
    await noteOf(chatId).publish(run.id)
    return view(run, reply)
  })

  app.get<One>('/api/chat/:chatId/stream', { schema: { params } }, async ({ params: { chatId } }, reply) => {
    const { run } = await latest(chatId)
    if (run?.state !== 'running') return await reply.code(204).send()
    return view(run, reply)
  })

  app.delete<One>('/api/chat/:chatId', { schema: { params } }, async ({ params: { chatId } }, reply) => {
    const { run } = await latest(chatId)
    if (run === undefined) throw new UNKNOWN_CHAT()
    await run.cancel()
    reply.code(204)
  })
}

/** What the SDK reads of a run. */
function view (run: SseRun, reply: FastifyReply): SseEmitter {
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
