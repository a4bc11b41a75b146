import type { ModelDelta } from './model-delta.ts'
import type { ModelOptions, ResponsesOptions } from './options.ts'
import { anthropicMessages } from './protocols/anthropic-messages.ts'
import { ollamaChat } from './protocols/ollama-chat.ts'
import { openaiChatCompletions } from './protocols/openai-chat-completions.ts'
import { streamModel, streamOpenaiResponses } from './stream-model.ts'

/** A request body as the protocol defines it. Fields that are not listed here are sent unchanged. */
type Body<Known extends object> = Known | (Known & Readonly<Record<string, unknown>>)

export type ChatCompletionsBody = Body<{ readonly messages: readonly unknown[], readonly stream_options?: object | null | undefined }>
export type ResponsesBody = Body<{ readonly input?: unknown }>
export type MessagesBody = Body<{ readonly messages: readonly unknown[], readonly max_tokens: number }>
export type OllamaChatBody = Body<{ readonly model: string, readonly messages?: readonly unknown[] | undefined }>

/** The answer of a model as a sequence of deltas. Leaving the loop, or calling `return()`, aborts the request. */
export type ModelDeltas = AsyncGenerator<ModelDelta, void, undefined>

/**
 * Streams an answer over OpenAI's Chat Completions, which many other servers implement: `POST {baseURL}/chat/completions`.
 * The request is sent when the first delta is requested. `stream` is always set to true; `stream_options.include_usage`
 * is set to true unless the body sets it. With `stream_options: null`, the field is not sent: some servers reject it.
 *
 * A complete answer ends with exactly one `finish` delta. If the answer is cut off, the iteration yields the deltas
 * received so far and then rejects. While no delta is requested, reading from the model pauses. If the body requests
 * several choices (`n`), only the first one is read.
 *
 * @param body `model`, `messages` and any other fields of the protocol
 * @throws SSE_ERR_OPTION immediately, for an unknown option or an invalid value
 * @throws ModelError while iterating; if `options.signal` aborts, its reason instead
 */
export function streamChatCompletions (body: ChatCompletionsBody, options: ModelOptions): ModelDeltas {
  return streamModel(openaiChatCompletions, body, options)
}

/**
 * Streams an answer over OpenAI's Responses: `POST {baseURL}/responses`. Behaves like `streamChatCompletions` otherwise. With
 * `options.resume`, an answer in background mode continues after a lost connection to the model.
 *
 * @param body `model`, `input` and any other fields of the protocol
 */
export function streamResponses (body: ResponsesBody, options: ResponsesOptions): ModelDeltas {
  return streamOpenaiResponses(body, options)
}

/**
 * Streams an answer over Anthropic's Messages: `POST {baseURL}/messages`. Behaves like `streamChatCompletions` otherwise.
 * Anthropic's base URL is 'https://api.anthropic.com/v1'. The header `anthropic-version` is 2023-06-01 unless
 * `options.headers` sets it.
 *
 * @param body `model`, `max_tokens`, `messages` and any other fields of the protocol
 */
export function streamMessages (body: MessagesBody, options: ModelOptions): ModelDeltas {
  return streamModel(anthropicMessages, body, options)
}

/**
 * Streams an answer over Ollama's native protocol: `POST {baseURL}/api/chat`. Behaves like `streamChatCompletions`
 * otherwise. Ollama's default base URL is 'http://127.0.0.1:11434'.
 *
 * @param body `model`, `messages` and any other fields of the protocol
 */
export function streamOllamaChat (body: OllamaChatBody, options: ModelOptions): ModelDeltas {
  return streamModel(ollamaChat, body, options)
}

export { eventsOf, type EventsOptions, type ResponseEvents } from './events-of.ts'
export type { FinishDelta, FinishReason, ModelDelta, ModelUsage, ToolCallDelta } from './model-delta.ts'
export { MODEL_ERRORS, ModelError, type ModelErrorCode, type ModelErrorDetails, type ModelErrorMeaning } from './model-error.ts'
export type { ModelOptions, ResponsesOptions } from './options.ts'
export type { ResponseLike } from './upstream-response.ts'
