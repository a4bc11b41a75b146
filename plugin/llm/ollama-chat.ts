import type { Answer } from './answer.ts'
import type { FinishReason } from './delta.ts'
import { parseObject, type Protocol } from './protocol.ts'
import { failure } from './refusal.ts'

interface Line {
  readonly error?: unknown
  readonly message?: {
    readonly content?: unknown
    readonly thinking?: unknown
    readonly tool_calls?: ReadonlyArray<{ readonly id?: unknown, readonly function?: { readonly name?: unknown, readonly arguments?: unknown } }>
  }
  readonly done?: boolean
  readonly done_reason?: string
  readonly prompt_eval_count?: number
  readonly eval_count?: number
}

const REASONS = new Map<string | undefined, FinishReason>([
  ['stop', 'stop'],
  ['length', 'length']
])

/**
 * Ollama's own chat.
 *
 * @see https://docs.ollama.com/api/chat
 */
export const ollamaChat: Protocol = {
  path: '/api/chat',
  type: 'application/x-ndjson',
  credentials: apiKey => ({ authorization: `Bearer ${apiKey}` }),
  streaming: body => ({ ...body, stream: true }),
  read: take,
  readWhole: take
}

function take (data: string, answer: Answer): void {
  const { error, message, done, done_reason: reason, prompt_eval_count: input = 0, eval_count: output } = parseObject<Line>(data)
  if (error) throw failure(error)
  answer.reasoning(message?.thinking)
  answer.text(message?.content)
  // Each call comes in one piece.
  for (const call of message?.tool_calls ?? []) answer.toolCall(call, call.id, call.function?.name, JSON.stringify(call.function?.arguments))
  if (done !== true) return
  // The count of what was read is left out where all of it came from the cache.
  answer.uses(input, output)
  answer.stops(REASONS.get(reason) ?? 'other')
  answer.end()
}
