import { randomUUID } from 'node:crypto'
import { textOf, type Message } from './conversation.ts'
import type { Piece } from './generation.ts'
import { countTokens } from './tokens.ts'

/** What is asked of the model. Fields that are not here are taken no notice of. */
export interface ChatRequest {
  readonly model?: string | null
  readonly messages: readonly Message[]
  readonly stream?: boolean | null
  readonly stream_options?: { readonly include_usage?: boolean } | null
  readonly max_tokens?: number | null
  readonly max_completion_tokens?: number | null
  readonly seed?: number | null
}

/** The model's name, where the request has no other. */
export const MODEL = 'embedded'

const FINGERPRINT = 'fp_fastify_sse_emitter'
const AUTHOR = 'assistant'
/** What a message has besides its text. */
const TOKENS_PER_MESSAGE = 4

const text = { type: 'object', required: ['type', 'text'], properties: { type: { const: 'text' }, text: { type: 'string' } } }

const content = (nullable: boolean): object => ({ if: { type: 'array' }, then: { type: 'array', items: text }, else: { type: 'string', nullable } })

const message = {
  type: 'object',
  required: ['role'],
  properties: { role: { enum: ['system', 'developer', 'user', 'assistant', 'tool'] } },
  // Only an answer may consist of something else, of calls of tools.
  if: { properties: { role: { const: AUTHOR } } },
  then: { properties: { content: content(true) } },
  else: { required: ['content'], properties: { content: content(false) } }
}

const count = { type: ['integer', 'null'], minimum: 1 }

/** The schema of a {@link ChatRequest}. */
export const chatRequest = {
  type: 'object',
  required: ['messages'],
  properties: {
    model: { type: ['string', 'null'], minLength: 1, maxLength: 200 },
    messages: { type: 'array', minItems: 1, items: message },
    stream: { type: ['boolean', 'null'] },
    stream_options: { type: ['object', 'null'], properties: { include_usage: { type: 'boolean' } } },
    max_tokens: count,
    max_completion_tokens: count,
    seed: { type: ['integer', 'null'] },
    temperature: { type: ['number', 'null'], minimum: 0, maximum: 2 }
  }
}

/** How many tokens a request has. Stops counting once there are more than `limit`. */
export function countPrompt (messages: readonly Message[], limit: number): number {
  let count = 0
  for (const message of messages) {
    count += TOKENS_PER_MESSAGE + countTokens(textOf(message), limit)
    if (count > limit) break
  }
  return count
}

/** The usage of a generation. */
function usage (prompt: number, completion: number): object {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}

/** What all chunks of an answer begin with, and an answer in one piece does. */
function head (object: string, model: string | null | undefined): object {
  return { id: `chatcmpl-${randomUUID()}`, object, created: Math.floor(Date.now() / 1_000), model: model ?? MODEL, system_fingerprint: FINGERPRINT }
}

/**
 * An answer as chunks: the role, a chunk a token, the reason why there are no more, the usage if it was asked for, and
 * `[DONE]`. A generation that breaks off has none of what comes after the tokens.
 *
 * @param promptTokens how many tokens the request has
 */
export async function * chunks (pieces: AsyncIterable<Piece>, { model, stream_options: options }: ChatRequest, promptTokens: number): AsyncGenerator<object | string, void, undefined> {
  const own = head('chat.completion.chunk', model)
  const told = options?.include_usage === true
  const chunk = (delta: object, finish: string | null = null): object => ({
    ...own,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...told && { usage: null }
  })
  let count = 0
  yield chunk({ role: AUTHOR, content: '' })
  for await (const piece of pieces) {
    if ('text' in piece) {
      count++
      yield chunk({ content: piece.text })
    } else {
      yield chunk({}, piece.finish)
      if (told) yield { ...own, choices: [], usage: usage(promptTokens, count) }
      yield '[DONE]'
    }
  }
}

/**
 * An answer in one piece. One that breaks off has no reason to have finished.
 *
 * @param promptTokens how many tokens the request has
 */
export async function whole (pieces: AsyncIterable<Piece>, { model }: ChatRequest, promptTokens: number): Promise<object> {
  let content = ''
  let count = 0
  let finish: string | null = null
  for await (const piece of pieces) {
    if ('text' in piece) {
      content += piece.text
      count++
    } else finish = piece.finish
  }
  return {
    ...head('chat.completion', model),
    choices: [{ index: 0, message: { role: AUTHOR, content, refusal: null }, logprobs: null, finish_reason: finish }],
    usage: usage(promptTokens, count)
  }
}
