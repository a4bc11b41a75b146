import { ask } from './ask.ts'
import { chatCompletions } from './chat-completions.ts'
import type { ModelDelta } from './delta.ts'
import { messages } from './messages.ts'
import { ollamaChat } from './ollama-chat.ts'
import type { ModelOptions } from './options.ts'
import { responses } from './responses.ts'

/** What is asked, in the protocol's words. Whatever else it says is sent as well. */
type Body<Known extends object> = Known | (Known & Readonly<Record<string, unknown>>)

export type ChatCompletionsBody = Body<{ readonly messages: readonly unknown[], readonly stream_options?: object | null | undefined }>
export type ResponsesBody = Body<{ readonly input?: unknown }>
export type MessagesBody = Body<{ readonly messages: readonly unknown[], readonly max_tokens: number }>
export type OllamaChatBody = Body<{ readonly model: string, readonly messages?: readonly unknown[] | undefined }>

/** What a model says, piece by piece. Whoever stops asking, by `break` or `return()`, ends the request. */
export type ModelDeltas = AsyncGenerator<ModelDelta, void, undefined>

/**
 * Asks a model that speaks OpenAI's Chat Completions, as many do, by `POST {baseURL}/chat/completions`. The request goes
 * out when the first delta is asked for. `stream` is always true, and `stream_options.include_usage` unless the body says
 * otherwise.
 *
 * An iteration that ends has had exactly one `finish`, as its last; an answer that was cut off rejects, behind what there
 * is of it. Nobody who asks for more means that nothing more is read. Of several choices (`n`), only the first counts.
 *
 * @param body with `model`, `messages` and what else there is
 * @throws SSE_ERR_OPTION at once, for an option that is none or has a value it cannot have
 * @throws ModelError while iterating; the reason of `options.signal`, once that is aborted
 */
export function streamChatCompletions (body: ChatCompletionsBody, options: ModelOptions): ModelDeltas {
  return ask(chatCompletions, body, options)
}

/**
 * Asks a model that speaks OpenAI's Responses, by `POST {baseURL}/responses`; all else as with `streamChatCompletions`.
 *
 * @param body with `model`, `input` and what else there is
 */
export function streamResponses (body: ResponsesBody, options: ModelOptions): ModelDeltas {
  return ask(responses, body, options)
}

/**
 * Asks a model of Anthropic, by `POST {baseURL}/messages`; all else as with `streamChatCompletions`. The base URL of
 * Anthropic is 'https://api.anthropic.com/v1'; `anthropic-version` is 2023-06-01, unless a header says otherwise.
 *
 * @param body with `model`, `max_tokens`, `messages` and what else there is
 */
export function streamMessages (body: MessagesBody, options: ModelOptions): ModelDeltas {
  return ask(messages, body, options)
}

/**
 * Asks a model of Ollama in its own protocol, by `POST {baseURL}/api/chat`; all else as with `streamChatCompletions`.
 * The base URL is 'http://127.0.0.1:11434' where nobody has changed it.
 *
 * @param body with `model`, `messages` and what else there is
 */
export function streamOllamaChat (body: OllamaChatBody, options: ModelOptions): ModelDeltas {
  return ask(ollamaChat, body, options)
}

export type { FinishDelta, FinishReason, ModelDelta, ModelUsage, ToolCallDelta } from './delta.ts'
export { MODEL_ERRORS, ModelError, type ModelErrorCode, type ModelErrorDetails, type ModelErrorMeaning } from './errors.ts'
export type { ModelOptions } from './options.ts'
