/** Shared by the relays that use this plugin: the request for a model's answer. */
import { streamChatCompletions } from 'fastify-sse-emitter/llm'

const messages = [{ role: 'user', content: 'What time is it?' }]

export function requestAnswer (modelPort, tokens, signal) {
  return streamChatCompletions({ model: 'clock', max_tokens: tokens, messages }, { baseURL: `http://127.0.0.1:${modelPort}/v1`, signal })
}
