/** Shared by the relays that use this plugin: a model's answer as events. */
import { event } from 'fastify-sse-emitter'
import { streamChatCompletions } from 'fastify-sse-emitter/llm'

const messages = [{ role: 'user', content: 'What time is it?' }]

/** @returns the finish reason and the usage */
export async function * modelAnswer (modelPort, tokens, signal) {
  const deltas = streamChatCompletions({ model: 'clock', max_tokens: tokens, messages }, { baseURL: `http://127.0.0.1:${modelPort}/v1`, signal })
  let finish
  for await (const delta of deltas) {
    if (delta.type === 'text') yield event({ text: delta.text }, { event: 'delta' })
    else if (delta.type === 'finish') finish = { finishReason: delta.reason, usage: delta.usage ?? null }
  }
  return finish
}
