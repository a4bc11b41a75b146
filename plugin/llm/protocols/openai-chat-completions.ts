import { errorFromAnswer } from '../error-mapping.ts'
import type { FinishReason } from '../model-delta.ts'
import type { DeltaWriter } from './delta-writer.ts'
import { asArray, asObject, parseObject } from './json-shape.ts'
import type { Protocol } from './protocol.ts'

interface FunctionCall {
  readonly name?: unknown
  readonly arguments?: unknown
}

/** One part of a content list, as Mistral sends them. */
interface ContentPart {
  readonly text?: unknown
  /** Sent by reasoning models. */
  readonly thinking?: ReadonlyArray<{ readonly text?: unknown } | null> | null
}

interface Message {
  /** A string, or a list of parts from Mistral's reasoning models. */
  readonly content?: unknown
  /** An extension of DeepSeek, llama.cpp, vLLM and others. */
  readonly reasoning_content?: unknown
  readonly reasoning?: unknown
  readonly refusal?: unknown
  readonly tool_calls?: ReadonlyArray<{ readonly index?: unknown, readonly id?: unknown, readonly function?: FunctionCall }> | null
  /** The predecessor of `tool_calls`. */
  readonly function_call?: FunctionCall | null
}

interface Choice {
  readonly index?: number | null
  readonly delta?: Message | null
  readonly message?: Message | null
  readonly finish_reason?: string | null
}

interface Chunk {
  readonly error?: unknown
  readonly choices?: readonly Choice[] | null
  readonly usage?: { readonly prompt_tokens?: unknown, readonly completion_tokens?: unknown } | null
}

const FINISH_REASONS = new Map<string, FinishReason>([
  ['stop', 'stop'],
  ['length', 'length'],
  ['model_length', 'length'],
  ['tool_calls', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter']
])

/**
 * OpenAI's Chat Completions, also spoken by many other servers.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export const openaiChatCompletions: Protocol = {
  path: '/chat/completions',
  contentType: 'text/event-stream',
  authHeaders: apiKey => ({ authorization: `Bearer ${apiKey}` }),
  streamingBody: body => {
    const { stream_options: options, ...fields } = body as { stream_options?: object | null }
    return { ...fields, stream: true, ...options === null ? {} : { stream_options: { include_usage: true, ...options } } }
  },
  readEvent: (data, writer) => {
    if (data.trim() === '[DONE]') writer.end()
    else writeChunk(parseObject<Chunk>(data), writer)
  },
  readWholeAnswer: (data, writer) => {
    const chunk = parseObject<Chunk>(data)
    writeChunk(chunk, writer)
    asObject(firstChoice(chunk)?.message)
    writer.end()
  }
}

/** A request with `n` gets further choices, which deltas cannot express. */
function firstChoice ({ choices }: Chunk): Choice | undefined {
  return asArray(choices ?? []).find(choice => (asObject(choice).index ?? 0) === 0)
}

function writeChunk (chunk: Chunk, writer: DeltaWriter): void {
  const { error, usage } = chunk
  if (error) throw errorFromAnswer(error)
  if (usage) writer.usage(usage.prompt_tokens, usage.completion_tokens)
  const choice = firstChoice(chunk)
  if (choice === undefined) return
  const message = choice.delta ?? choice.message
  if (message) writeMessage(message, writer)
  if (choice.finish_reason === 'error') throw errorFromAnswer('error')
  if (choice.finish_reason) writer.finishReason(FINISH_REASONS.get(choice.finish_reason) ?? 'other')
}

function writeMessage (message: Message, writer: DeltaWriter): void {
  writer.reasoning(message.reasoning_content ?? message.reasoning)
  writeContent(message.content, writer)
  writer.refusal(message.refusal)
  if (message.tool_calls) {
    for (const [position, toolCall] of asArray(message.tool_calls).entries()) {
      const { index = position, id, function: call } = asObject(toolCall)
      writer.toolCall(index, id, call?.name, call?.arguments)
    }
  }
  if (message.function_call) writer.toolCall(0, undefined, message.function_call.name, message.function_call.arguments)
}

function writeContent (content: unknown, writer: DeltaWriter): void {
  if (!Array.isArray(content)) return writer.text(content)
  for (const part of content as ReadonlyArray<ContentPart | null>) {
    for (const thinking of asArray(part?.thinking ?? [])) writer.reasoning(thinking?.text)
    writer.text(part?.text)
  }
}
