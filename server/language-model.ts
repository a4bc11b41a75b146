import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { event, type SseEvent } from 'fastify-sse-emitter'
import { streamChatCompletions, type FinishReason, type ModelUsage } from 'fastify-sse-emitter/llm'
import type { Config } from './config.ts'

export interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** The events of an answer by type: its text, and the reasoning of models that expose it. */
export interface AnswerEvents {
  delta: { text: string }
  reasoning: { text: string }
}

type AnswerEvent = { [Name in keyof AnswerEvents]: SseEvent<AnswerEvents[Name], Name> }[keyof AnswerEvents]

/** How an answer ended. */
export interface AnswerResult {
  readonly finishReason: FinishReason
  readonly usage: ModelUsage | null
}

/** Sends messages to the model and yields its answer. Rejects with a ModelError if the answer fails or is incomplete. */
export type AnswerMessages = (messages: readonly Message[], signal: AbortSignal) => AsyncGenerator<AnswerEvent, AnswerResult, undefined>

/** The configured model. The built-in model is requested over HTTP as well, like any other. */
export function languageModel (app: FastifyInstance, { LLM_BASE_URL, LLM_API_KEY, LLM_MODEL }: Config): AnswerMessages {
  return async function * (messages, signal) {
    const deltas = streamChatCompletions({ model: LLM_MODEL, messages }, {
      baseURL: LLM_BASE_URL === '' ? `${originOf(app)}/v1` : LLM_BASE_URL,
      apiKey: LLM_API_KEY === '' ? undefined : LLM_API_KEY,
      signal
    })
    let result: AnswerResult | undefined
    for await (const delta of deltas) {
      if (delta.type === 'text' || delta.type === 'refusal') yield event({ text: delta.text }, { event: 'delta' })
      else if (delta.type === 'reasoning') yield event({ text: delta.text }, { event: 'reasoning' })
      else if (delta.type === 'finish') result = { finishReason: delta.reason, usage: delta.usage ?? null }
    }
    // Deltas that end without an error always include the finish reason.
    return result!
  }
}

/** The address at which this process can reach its own server. */
function originOf (app: FastifyInstance): string {
  const { address, family, port } = app.addresses()[0] as AddressInfo
  const loopback: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  const host = loopback[address] ?? address
  return `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`
}
