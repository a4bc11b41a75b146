import { errorFromAnswer } from '../error-mapping.ts'
import type { FinishReason } from '../model-delta.ts'
import type { DeltaWriter } from './delta-writer.ts'
import { asArray, asObject, parseObject } from './json-shape.ts'
import type { Protocol } from './protocol.ts'

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

const FINISH_REASONS = new Map<string | undefined, FinishReason>([
  ['stop', 'stop'],
  ['length', 'length']
])

/**
 * Ollama's native chat protocol.
 *
 * @see https://docs.ollama.com/api/chat
 */
export const ollamaChat: Protocol = {
  path: '/api/chat',
  contentType: 'application/x-ndjson',
  authHeaders: apiKey => ({ authorization: `Bearer ${apiKey}` }),
  streamingBody: body => ({ ...body, stream: true }),
  readEvent: readLine,
  readWholeAnswer: readLine
}

function readLine (data: string, writer: DeltaWriter): void {
  const { error, message, done, done_reason: reason, prompt_eval_count: input = 0, eval_count: output } = parseObject<Line>(data)
  if (error) throw errorFromAnswer(error)
  writer.reasoning(message?.thinking)
  writer.text(message?.content)
  // Ollama sends every tool call whole, so the object itself can be the key.
  for (const call of asArray(message?.tool_calls ?? [])) writer.toolCall(call, asObject(call).id, call.function?.name, JSON.stringify(call.function?.arguments))
  if (done !== true) return
  // Ollama omits the input count if the whole prompt was cached.
  writer.usage(input, output)
  writer.finishReason(FINISH_REASONS.get(reason) ?? 'other')
  writer.end()
}
