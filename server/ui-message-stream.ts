import type { SseEntry } from 'fastify-sse-emitter'

/** A part of the AI SDK's UI message stream, version 1; of those, the ones that all its versions know. */
export type UiPart = { readonly type: string } & Readonly<Record<string, unknown>>

/** What a text or a thought is made of, and where it goes. */
const KINDS: Record<string, 'text' | 'reasoning'> = { delta: 'text', reasoning: 'reasoning' }

/**
 * A run of the chat as the AI SDK reads it. The same for everybody who reads it, from the beginning: `messageId` and the
 * ids of its parts do not change.
 *
 * @returns parts, and then the text that ends the stream
 */
export async function * uiMessageStream (entries: AsyncIterable<SseEntry>, messageId: string): AsyncGenerator<UiPart | string> {
  /** What is under way: deltas without their start are an error to the client. */
  let kind: 'text' | 'reasoning' | undefined
  let id = 0
  const end = (): UiPart[] => kind === undefined ? [] : [{ type: `${kind}-end`, id: String(id) }]

  yield { type: 'start', messageId }
  yield { type: 'start-step' }
  for await (const { event, data } of entries) {
    const content = JSON.parse(data!)
    if (event === 'done') {
      yield * [...end(), { type: 'finish-step' }, { type: 'finish', finishReason: content.finishReason }]
    } else if (event === 'failed') {
      yield * [...end(), { type: 'error', errorText: content.message }]
    } else if (event === 'aborted') {
      yield * [...end(), { type: 'abort' }]
    } else {
      const next = KINDS[event!]!
      if (next !== kind) {
        yield * end()
        kind = next
        id++
        yield { type: `${kind}-start`, id: String(id) }
      }
      yield { type: `${kind}-delta`, id: String(id), delta: content.text }
    }
  }
  yield '[DONE]'
}
