import type { FastifyBaseLogger, FastifyError, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { SseEmitter } from 'fastify-sse-emitter'
import { modelLimit } from '../client-limits.ts'
import { answer } from '../model/answer.ts'
import { chatCompletionRequest, completion, completionChunks, countPromptTokens, MODEL, type ChatCompletionRequest } from '../model/chat-completion.ts'
import { readConversation, textOf } from '../model/conversation.ts'
import { generate, type GenerationPart } from '../model/generation.ts'
import { CONTEXT_LENGTH_EXCEEDED, MODEL_FAILED, RATE_LIMIT_EXCEEDED, statusOf, toOpenAIError } from '../model/openai-errors.ts'
import { SeededRandom } from '../seeded-random.ts'

const BODY_LIMIT = 1024 * 1024
/** Maximum tokens of a request. */
const MAX_PROMPT_TOKENS = 32_000
/** Maximum tokens of an answer. */
const MAX_COMPLETION_TOKENS = 20_000
/** Creation time of the model, in seconds since 1970: 1 January 2026. */
const CREATED = 1_767_225_600

/** Starts a generation that the signal aborts. */
type StartGeneration = (signal: AbortSignal) => AsyncIterable<GenerationPart>

export interface OpenAIApiOptions {
  /** Average milliseconds before each token; 0 for none. @default 30 */
  readonly pace?: number
  /** Milliseconds before the first token. @default 200, or 0 if `pace` is 0 */
  readonly firstToken?: number
}

/**
 * The language model that is built into the demo, behind `POST /v1/chat/completions` and `GET /v1/models` of OpenAI's API.
 * It requires no key. Answers follow rules, and the same request always gets the same answer. A message that begins with
 * the word of a fault shows what happens when something goes wrong; `help` lists the faults.
 */
export const openAIApi: FastifyPluginAsync<OpenAIApiOptions> = async (app, { pace = 30, firstToken = pace === 0 ? 0 : 200 }) => {
  app.setErrorHandler(sendError)

  app.get('/v1/models', async () => ({
    object: 'list',
    data: [{ id: MODEL, object: 'model', created: CREATED, owned_by: 'fastify-sse-emitter' }]
  }))

  app.post<{ Body: ChatCompletionRequest }>('/v1/chat/completions', { bodyLimit: BODY_LIMIT, schema: { body: chatCompletionRequest }, config: modelLimit() }, async (request, reply) => {
    const { body } = request
    const promptTokens = countPromptTokens(body.messages, MAX_PROMPT_TOKENS)
    if (promptTokens > MAX_PROMPT_TOKENS) throw new CONTEXT_LENGTH_EXCEEDED(MAX_PROMPT_TOKENS)

    const conversation = readConversation(body.messages)
    const { fault } = conversation
    if (fault === '/429') throw Object.assign(new RATE_LIMIT_EXCEEDED(), { headers: { 'retry-after': '2' } })
    if (fault === '/500') throw new MODEL_FAILED()

    const random = new SeededRandom(JSON.stringify([body.seed ?? 0, ...body.messages.map(message => [message.role, textOf(message)])]))
    const text = answer(conversation, random)
    const limit = Math.min(body.max_completion_tokens ?? body.max_tokens ?? MAX_COMPLETION_TOKENS, MAX_COMPLETION_TOKENS)
    const cut = (): void => { reply.raw.destroy() }
    const start: StartGeneration = signal => logEnd(generate({ text, limit, pace: { token: pace, firstToken }, fault, random, signal, cut }), request.log)
    return body.stream === true
      ? sendStream(reply, signal => completionChunks(start(signal), body, promptTokens), request.log)
      : await abortOnDisconnect(reply, signal => completion(start(signal), body, promptTokens))
  })
}

/** Logs the end of a generation, whatever ended it. */
async function * logEnd (parts: AsyncIterable<GenerationPart>, log: FastifyBaseLogger): AsyncGenerator<GenerationPart> {
  let tokens = 0
  let finish = 'aborted'
  try {
    for await (const part of parts) {
      if ('text' in part) tokens++
      else finish = part.finish
      yield part
    }
  } finally {
    log.info({ tokens, finish }, 'generation ended')
  }
}

function sendStream (reply: FastifyReply, makeChunks: (signal: AbortSignal) => AsyncIterable<object | string>, log: FastifyBaseLogger): SseEmitter {
  // OpenAI's client sends `accept: application/json`, and some clients split lines at `data: `.
  const emitter = reply.sse({ accept: false, spaceAfterColon: true })
  emitter.sendAll(signal => withErrorChunk(makeChunks(signal), signal, log)).then(
    () => emitter.complete(),
    error => emitter.completeWithError(error)
  )
  return emitter
}

/** Reports a failed generation in a final chunk, as OpenAI's API does. */
async function * withErrorChunk (chunks: AsyncIterable<object | string>, signal: AbortSignal, log: FastifyBaseLogger): AsyncGenerator<object | string> {
  try {
    yield * chunks
  } catch (error) {
    // The client has disconnected.
    if (signal.aborted) return
    log.warn({ err: error }, 'generation failed')
    yield { error: toOpenAIError(error) }
  }
}

/** Makes a completion in one piece, and aborts it if the client disconnects. */
async function abortOnDisconnect (reply: FastifyReply, make: (signal: AbortSignal) => Promise<object>): Promise<object> {
  const disconnected = new AbortController()
  reply.raw.once('close', () => disconnected.abort())
  if (reply.raw.destroyed) disconnected.abort()
  try {
    return await make(disconnected.signal)
  } catch (error) {
    if (!disconnected.signal.aborted) throw error
    return reply.hijack()
  }
}

/** Sends every error in OpenAI's format. */
function sendError (error: FastifyError & { headers?: Record<string, string> }, { log }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = statusOf(error)
  if (status >= 500) log.error({ err: error }, error.message)
  else log.info({ err: error }, error.message)
  return reply.code(status).headers(error.headers ?? {}).send({ error: toOpenAIError(error) })
}
