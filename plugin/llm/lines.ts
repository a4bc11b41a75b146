import type { BodyReader } from './body.ts'
import { ModelError } from './errors.ts'

/**
 * Reads lines, of which those that are blank do not count.
 *
 * @param maxBytes what one line may be; counted in characters, of which there are no more than bytes
 * @param onLine what it throws comes out of `feed` and `end`
 * @throws ModelError too_large
 */
export function readLines (maxBytes: number, onLine: (line: string) => void): BodyReader {
  const decoder = new TextDecoder()
  let rest = ''

  const feed = (text: string): void => {
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      const line = rest + text.slice(start, end)
      rest = ''
      start = end + 1
      if (line.length > maxBytes) throw new ModelError('too_large')
      if (line.trim() !== '') onLine(line)
    }
    rest += text.slice(start)
    if (rest.length > maxBytes) throw new ModelError('too_large')
  }

  return {
    feed: chunk => { feed(decoder.decode(chunk, { stream: true })) },
    end: () => { feed(`${decoder.decode()}\n`) }
  }
}
