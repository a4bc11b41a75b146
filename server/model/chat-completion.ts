import { randomUUID } from 'node:crypto'
import { textOf, type Message } from './conversation.ts'
import type { GenerationPart } from './generation.ts'
import { countTokens } from './tokens.ts'

/** A request of the Chat Completions API. Fields that are not listed are ignored. */
export interface ChatCompletionRequest {
  readonly model?: string | null
  readonly messages: readonly Message[]
  readonly stream?: boolean | null
  readonly stream_options?: { readonly include_usage?: boolean } | null
  readonly max_tokens?: number | null
  readonly max_completion_tokens?: number | null
  readonly seed?: number | null
}

/** Name of the model in answers to requests that name none. */
export const MODEL = 'embedded'

const FINGERPRINT = 'fp_fastify_sse_emitter'
const ASSISTANT = 'assistant'
/** Tokens of a message in addition to its text. */
const TOKENS_PER_MESSAGE = 4

const text = { type: 'object', required: ['type', 'text'], properties: { type: { const: 'text' }, text: { type: 'string' } } }

const content = (nullable: boolean): object => ({ if: { type: 'array' }, then: { type: 'array', items: text }, else: { type: 'string', nullable } })

const message = {
  type: 'object',
  required: ['role'],
  properties: { role: { enum: ['system', 'developer', 'user', 'assistant', 'tool'] } },
  // Only a message of the assistant may lack content: it may consist of tool calls.
  if: { properties: { role: { const: ASSISTANT } } },
  then: { properties: { content: content(true) } },
  else: { required: ['content'], properties: { content: content(false) } }
}

const count = { type: ['integer', 'null'], minimum: 1 }

/** The schema of a {@link ChatCompletionRequest}. */
export const chatCompletionRequest = {
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

/** The number of tokens of a request. Counting stops once it exceeds `limit`. */
export function countPromptTokens (messages: readonly Message[], limit: number): number {
  let count = 0
  for (const message of messages) {
    count += TOKENS_PER_MESSAGE + countTokens(textOf(message), limit)
    if (count > limit) break
  }
  return count
}

function usage (prompt: number, completion: number): object {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}

/** The fields that a completion and all chunks of a streamed one begin with. */
function head (object: string, model: string | null | undefined): object {
  return { id: `chatcmpl-${randomUUID()}`, object, created: Math.floor(Date.now() / 1_000), model: model ?? MODEL, system_fingerprint: FINGERPRINT }
}

/**
 * A streamed completion: a chunk with the role, a chunk per token, one with the finish reason, one with the usage if it was
 * requested, and `[DONE]`. If the generation is cut short, the chunks end with the last token.
 *
 * @param promptTokens number of tokens of the request
 */
export async function * completionChunks (parts: AsyncIterable<GenerationPart>, { model, stream_options: options }: ChatCompletionRequest, promptTokens: number): AsyncGenerator<object | string, void, undefined> {
  const common = head('chat.completion.chunk', model)
  const includeUsage = options?.include_usage === true
  const chunk = (delta: object, finish: string | null = null): object => ({
    ...common,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...includeUsage && { usage: null }
  })
  let count = 0
  yield chunk({ role: ASSISTANT, content: '' })
  for await (const part of parts) {
    if ('text' in part) {
      count++
      yield chunk({ content: part.text })
    } else {
      yield chunk({}, part.finish)
      if (includeUsage) yield { ...common, choices: [], usage: usage(promptTokens, count) }
      yield '[DONE]'
    }
  }
}

/**
 * A completion in one piece. If the generation is cut short, its finish reason is null.
 *
 * @param promptTokens number of tokens of the request
 */
export async function completion (parts: AsyncIterable<GenerationPart>, { model }: ChatCompletionRequest, promptTokens: number): Promise<object> {
  let content = ''
  let count = 0
  let finish: string | null = null
  for await (const part of parts) {
    if ('text' in part) {
      content += part.text
      count++
    } else finish = part.finish
  }
  return {
    ...head('chat.completion', model),
    choices: [{ index: 0, message: { role: ASSISTANT, content, refusal: null }, logprobs: null, finish_reason: finish }],
    usage: usage(promptTokens, count)
  }
}
