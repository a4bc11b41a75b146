import type { FastifyBaseLogger, FastifyError, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { SseEmitter } from 'fastify-sse-emitter'
import { answer } from '../model/answer.ts'
import { chatRequest, chunks, countPrompt, MODEL, whole, type ChatRequest } from '../model/chat-completion.ts'
import { readConversation, textOf } from '../model/conversation.ts'
import { CONTEXT_LENGTH_EXCEEDED, MODEL_FAILED, openAIError, RATE_LIMIT_EXCEEDED, statusOf } from '../model/openai-errors.ts'
import { generate, type Piece } from '../model/generation.ts'
import { SeededRandom } from '../seeded-random.ts'

const BODY_LIMIT = 1024 * 1024
/** Tokens that a request may have. */
const CONTEXT = 32_000
/** Tokens that an answer may have. */
const ANSWER = 20_000
/** When the model was made, in seconds since 1970: 1 January 2026. */
const CREATED = 1_767_225_600

/** What makes tokens, until the signal ends it. */
type Source = (signal: AbortSignal) => AsyncIterable<Piece>

/**
 * A language model for those who have none: `POST /v1/chat/completions` and `GET /v1/models`, as OpenAI's API has them,
 * without a key. What it says is decided by rules, and the same request gets the same answer. A message that begins
 * with the word of a fault shows what happens when something goes wrong; `help` tells which there are.
 *
 * @param pace milliseconds before each token on average, 0 for none
 * @param firstToken milliseconds before the first token; by default 200, or 0 where there is no pace
 */
export const model: FastifyPluginAsync<{ pace?: number, firstToken?: number }> = async (app, { pace = 30, firstToken = pace === 0 ? 0 : 200 }) => {
  app.setErrorHandler(answerError)

  app.get('/v1/models', async () => ({
    object: 'list',
    data: [{ id: MODEL, object: 'model', created: CREATED, owned_by: 'fastify-sse-emitter' }]
  }))

  app.post<{ Body: ChatRequest }>('/v1/chat/completions', { bodyLimit: BODY_LIMIT, schema: { body: chatRequest } }, async (request, reply) => {
    const { body } = request
    const promptTokens = countPrompt(body.messages, CONTEXT)
    if (promptTokens > CONTEXT) throw new CONTEXT_LENGTH_EXCEEDED(CONTEXT)

    const conversation = readConversation(body.messages)
    const { fault } = conversation
    if (fault === '/429') throw Object.assign(new RATE_LIMIT_EXCEEDED(), { headers: { 'retry-after': '2' } })
    if (fault === '/500') throw new MODEL_FAILED()

    const random = new SeededRandom(JSON.stringify([body.seed ?? 0, ...body.messages.map(message => [message.role, textOf(message)])]))
    const text = answer(conversation, random)
    const limit = Math.min(body.max_completion_tokens ?? body.max_tokens ?? ANSWER, ANSWER)
    const source: Source = signal => logged(generate({ text, limit, pace: { token: pace, firstToken }, fault, random, signal, cut: () => { reply.raw.destroy() } }), request.log)
    return body.stream === true
      ? stream(reply, signal => chunks(source(signal), body, promptTokens), request.log)
      : await inOnePiece(reply, signal => whole(source(signal), body, promptTokens))
  })
}

/** Leaves a line in the log when a generation ends, whoever has ended it. */
async function * logged (pieces: AsyncIterable<Piece>, log: FastifyBaseLogger): AsyncGenerator<Piece> {
  let tokens = 0
  let finish = 'broken off'
  try {
    for await (const piece of pieces) {
      if ('text' in piece) tokens++
      else finish = piece.finish
      yield piece
    }
  } finally {
    log.info({ tokens, finish }, 'generation ended')
  }
}

function stream (reply: FastifyReply, make: (signal: AbortSignal) => AsyncIterable<object | string>, log: FastifyBaseLogger): SseEmitter {
  // OpenAI's client asks with `accept: application/json`, and some clients cut at `data: `.
  const emitter = reply.sse({ accept: false, spaceAfterColon: true })
  emitter.sendAll(signal => withError(make(signal), signal, log)).then(
    () => emitter.complete(),
    error => emitter.completeWithError(error)
  )
  return emitter
}

/** Tells by a chunk of its own that the answer failed, as it is done there. */
async function * withError (chunks: AsyncIterable<object | string>, signal: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<object | string> {
  try {
    yield * chunks
  } catch (error) {
    // Nobody is there any more.
    if (signal.aborted) return
    log.warn({ err: error }, 'the model failed')
    yield { error: openAIError(error) }
  }
}

/** Has an answer made as long as the client waits for it. */
async function inOnePiece (reply: FastifyReply, make: (signal: AbortSignal) => Promise<object>): Promise<object> {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort())
  if (reply.raw.destroyed) gone.abort()
  try {
    return await make(gone.signal)
  } catch (error) {
    if (!gone.signal.aborted) throw error
    return reply.hijack()
  }
}

/** Answers every error in OpenAI's way. */
function answerError (error: FastifyError & { headers?: Record<string, string> }, { log }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = statusOf(error)
  if (status >= 500) log.error({ err: error }, error.message)
  else log.info({ err: error }, error.message)
  return reply.code(status).headers(error.headers ?? {}).send({ error: openAIError(error) })
}
