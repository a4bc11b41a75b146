import { ModelError } from '../model-error.ts'
import type { BodyReader } from './body-reader.ts'

/**
 * Reads a whole body as one text.
 *
 * @param maxBytes maximum size of the body
 * @param onText called from `end`, which rethrows what it throws
 * @throws ModelError too_large
 */
export function textReader (maxBytes: number, onText: (text: string) => void): BodyReader {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  return {
    feed: chunk => {
      bytes += chunk.length
      if (bytes > maxBytes) throw new ModelError('too_large')
      text += decoder.decode(chunk, { stream: true })
    },
    end: () => { onText(text + decoder.decode()) }
  }
}
