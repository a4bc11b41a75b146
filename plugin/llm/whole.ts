import type { BodyReader } from './body.ts'
import { ModelError } from './errors.ts'

/**
 * Reads a text that is one.
 *
 * @param maxBytes what it may be; counted in characters, of which there are no more than bytes
 * @param onText what it throws comes out of `end`
 * @throws ModelError too_large
 */
export function readWhole (maxBytes: number, onText: (text: string) => void): BodyReader {
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
