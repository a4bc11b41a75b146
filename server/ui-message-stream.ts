import type { SseEntry } from 'fastify-sse-emitter'

/** A part of version 1 of the AI SDK's UI message stream. */
export type UiPart = { readonly type: string } & Readonly<Record<string, unknown>>

/** Event types that contain text, and the kind of part they belong to. */
const KINDS: Record<string, 'text' | 'reasoning'> = { delta: 'text', reasoning: 'reasoning' }

/**
 * Converts the entries of a chat run to the AI SDK's UI message stream, using only parts that all versions of the SDK know.
 * The result is the same for every reader: `messageId` and the ids of the parts do not change.
 *
 * @returns the parts, followed by the text that ends the stream
 */
export async function * uiMessageStream (entries: AsyncIterable<SseEntry>, messageId: string): AsyncGenerator<UiPart | string> {
  /** The open part. A delta outside of a part is an error for the client. */
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
