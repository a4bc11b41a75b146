import type { Answer } from './answer.ts'
import type { FinishReason } from './delta.ts'
import { ModelError } from './errors.ts'
import { parseObject, type Protocol } from './protocol.ts'
import { failure } from './refusal.ts'

interface Named {
  readonly name?: unknown
  readonly arguments?: unknown
}

/** A piece of a content, as Mistral has them. */
interface Part {
  readonly text?: unknown
  /** What a model that reasons has thought. */
  readonly thinking?: ReadonlyArray<{ readonly text?: unknown } | null> | null
}

interface Message {
  /** A text; of models that reason, Mistral gives a list of parts. */
  readonly content?: unknown
  /** Not in the standard, but in DeepSeek, llama.cpp, vLLM and others. */
  readonly reasoning_content?: unknown
  readonly reasoning?: unknown
  readonly refusal?: unknown
  readonly tool_calls?: ReadonlyArray<{ readonly index?: unknown, readonly id?: unknown, readonly function?: Named }> | null
  /** Before there were `tool_calls`. */
  readonly function_call?: Named | null
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

const REASONS = new Map<string, FinishReason>([
  ['stop', 'stop'],
  ['length', 'length'],
  ['model_length', 'length'],
  ['tool_calls', 'tool-calls'],
  ['function_call', 'tool-calls'],
  ['content_filter', 'content-filter']
])

/**
 * OpenAI's Chat Completions, which many others speak too.
 *
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export const chatCompletions: Protocol = {
  path: '/chat/completions',
  type: 'text/event-stream',
  credentials: apiKey => ({ authorization: `Bearer ${apiKey}` }),
  streaming: body => ({ ...body, stream: true, stream_options: { include_usage: true, ...(body as { stream_options?: object }).stream_options } }),
  read: (data, answer) => {
    if (data.trim() === '[DONE]') answer.end()
    else take(parseObject<Chunk>(data), answer)
  },
  readWhole: (data, answer) => {
    const chunk = parseObject<Chunk>(data)
    take(chunk, answer)
    if (firstOf(chunk)?.message == null) throw new ModelError('bad_chunk')
    answer.end()
  }
}

/** With `n`, there are other choices as well, which deltas have no word for. */
function firstOf ({ choices }: Chunk): Choice | undefined {
  return choices?.find(({ index }) => (index ?? 0) === 0)
}

function take (chunk: Chunk, answer: Answer): void {
  const { error, usage } = chunk
  if (error) throw failure(error)
  if (usage) answer.uses(usage.prompt_tokens, usage.completion_tokens)
  const choice = firstOf(chunk)
  if (choice === undefined) return
  const message = choice.delta ?? choice.message
  if (message) {
    answer.reasoning(message.reasoning_content ?? message.reasoning)
    takeContent(message.content, answer)
    answer.refusal(message.refusal)
    if (message.tool_calls) {
      for (const [position, { index = position, id, function: called }] of message.tool_calls.entries()) {
        answer.toolCall(index, id, called?.name, called?.arguments)
      }
    }
    if (message.function_call) answer.toolCall(0, undefined, message.function_call.name, message.function_call.arguments)
  }
  if (choice.finish_reason === 'error') throw failure('error')
  if (choice.finish_reason) answer.stops(REASONS.get(choice.finish_reason) ?? 'other')
}

function takeContent (content: unknown, answer: Answer): void {
  if (!Array.isArray(content)) return answer.text(content)
  for (const part of content as ReadonlyArray<Part | null>) {
    for (const thought of part?.thinking ?? []) answer.reasoning(thought?.text)
    answer.text(part?.text)
  }
}
