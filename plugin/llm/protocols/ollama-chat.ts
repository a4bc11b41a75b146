import { errorFromAnswer, throwReportedError } from '../error-mapping.ts'
import type { FinishReason } from '../model-delta.ts'
import { ModelError } from '../model-error.ts'
import type { DeltaWriter } from './delta-writer.ts'
import { isFailure } from './finish-reason.ts'
import { asArray, parseObject } from './json-shape.ts'
import type { Protocol } from './protocol.ts'

interface ToolCall {
  readonly id?: unknown
  readonly function?: { readonly name?: unknown, readonly arguments?: unknown } | null
}

interface Message {
  readonly content?: unknown
  readonly thinking?: unknown
  readonly tool_calls?: ReadonlyArray<ToolCall | null> | null
}

interface Line {
  readonly error?: unknown
  readonly message?: Message | null
  readonly done?: unknown
  readonly done_reason?: unknown
  readonly prompt_eval_count?: unknown
  readonly eval_count?: unknown
}

const FINISH_REASONS = new Map<unknown, FinishReason>([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'tool-calls']
])

/** Reasons with which an empty answer is incomplete: the model was only loaded or unloaded, or the reason is missing. */
const NO_ANSWER = new Set<unknown>(['load', 'unload', undefined, null, ''])

/**
 * Ollama's native chat protocol.
 *
 * @see https://docs.ollama.com/api/chat
 */
export const ollamaChat: Protocol = {
  path: '/api/chat',
  contentType: 'application/x-ndjson',
  sendsWholeToolCalls: true,
  authHeaders: apiKey => ({ authorization: `Bearer ${apiKey}` }),
  streamingBody: body => ({ ...body, stream: true }),
  readEvent: readLine,
  readWholeAnswer: readLine
}

function readLine (data: string, writer: DeltaWriter): void {
  // Sent by proxies that answer with an event stream.
  if (data === '[DONE]') return
  const line = parseObject<Line>(data)
  const { error, message, done } = line
  if (error || typeof message !== 'object') throwReportedError(line)
  if (typeof message === 'object' && message !== null) writeMessage(message, writer)
  if (done === true) writeEnd(line, writer)
}

function writeMessage ({ content, thinking, tool_calls: calls }: Message, writer: DeltaWriter): void {
  writer.reasoning(thinking)
  writer.text(content)
  // Ollama sends every tool call whole, so the object itself can be the key.
  for (const call of asArray(calls ?? [])) if (call?.function) writer.toolCall(call, call.id, call.function.name, call.function.arguments)
}

function writeEnd ({ done_reason: reason, prompt_eval_count: input, eval_count: output }: Line, writer: DeltaWriter): void {
  if (typeof reason === 'string' && isFailure(reason)) throw errorFromAnswer(reason)
  if (NO_ANSWER.has(reason) && writer.empty) throw new ModelError('truncated')
  // Ollama omits the input count if the whole prompt was cached.
  writer.usage(input ?? 0, output)
  writer.finishReason(FINISH_REASONS.get(reason) ?? 'other')
  writer.end()
}
