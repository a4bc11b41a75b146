import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { event, type SseEvent } from 'fastify-sse-emitter'
import { streamChatCompletions, type FinishReason, type ModelUsage } from 'fastify-sse-emitter/llm'
import type { Config } from './config.ts'

export interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** The events of an answer, by their types: what it says, and what a model thinks that shows it. */
export interface AnswerEvents {
  delta: { text: string }
  reasoning: { text: string }
}

type AnswerEvent = { [Name in keyof AnswerEvents]: SseEvent<AnswerEvents[Name], Name> }[keyof AnswerEvents]

/** How an answer has ended. */
export interface Answered {
  readonly finishReason: FinishReason
  readonly usage: ModelUsage | null
}

/** Asks the model for an answer; rejects with a ModelError where that is not to be had, or not whole. */
export type AnswerMessages = (messages: readonly Message[], signal: AbortSignal) => AsyncGenerator<AnswerEvent, Answered, undefined>

/** The model that the configuration names; the one that is built into this server is asked over HTTP like any other. */
export function languageModel (app: FastifyInstance, { LLM_BASE_URL, LLM_API_KEY, LLM_MODEL }: Config): AnswerMessages {
  return async function * (messages, signal) {
    const deltas = streamChatCompletions({ model: LLM_MODEL, messages }, {
      baseURL: LLM_BASE_URL === '' ? `${ownOrigin(app)}/v1` : LLM_BASE_URL,
      apiKey: LLM_API_KEY === '' ? undefined : LLM_API_KEY,
      signal
    })
    let answered: Answered | undefined
    for await (const delta of deltas) {
      if (delta.type === 'text' || delta.type === 'refusal') yield event({ text: delta.text }, { event: 'delta' })
      else if (delta.type === 'reasoning') yield event({ text: delta.text }, { event: 'reasoning' })
      else if (delta.type === 'finish') answered = { finishReason: delta.reason, usage: delta.usage ?? null }
    }
    // An iteration that ends has had its finish.
    return answered!
  }
}

/** Where this server listens, as it can be reached from here. */
function ownOrigin (app: FastifyInstance): string {
  const { address, family, port } = app.addresses()[0] as AddressInfo
  const everywhere: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  const host = everywhere[address] ?? address
  return `http://${family === 'IPv6' ? `[${host}]` : host}:${port}`
}
