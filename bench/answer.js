/** What relays that are ours share: a model's answer as events, as the demo has it. */
import { event } from 'fastify-sse-emitter'
import { streamChatCompletions } from 'fastify-sse-emitter/llm'

const messages = [{ role: 'user', content: 'What time is it?' }]

/** @returns how it has ended */
export async function * answer (modelPort, tokens, signal) {
  const deltas = streamChatCompletions({ model: 'clock', max_tokens: tokens, messages }, { baseURL: `http://127.0.0.1:${modelPort}/v1`, signal })
  let answered
  for await (const delta of deltas) {
    if (delta.type === 'text') yield event({ text: delta.text }, { event: 'delta' })
    else if (delta.type === 'finish') answered = { finishReason: delta.reason, usage: delta.usage ?? null }
  }
  return answered
}
