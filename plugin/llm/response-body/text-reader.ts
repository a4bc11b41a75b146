import { ModelError } from '../model-error.ts'
import type { BodyReader } from './body-reader.ts'

/**
 * Reads a whole body as one text.
 *
 * @param maxBytes maximum size of the body. Characters are counted; a text never has more of them than bytes.
 * @param onText called from `end`, which rethrows what it throws
 * @throws ModelError too_large
 */
export function textReader (maxBytes: number, onText: (text: string) => void): BodyReader {
  const decoder = new TextDecoder()
  let text = ''
  return {
    feed: chunk => {
      text += decoder.decode(chunk, { stream: true })
      if (text.length > maxBytes) throw new ModelError('too_large')
    },
    end: () => { onText(text + decoder.decode()) }
  }
}
