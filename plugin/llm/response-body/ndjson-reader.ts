import { ModelError } from '../model-error.ts'
import type { BodyReader } from './body-reader.ts'

/**
 * Splits newline-delimited JSON into lines. Blank lines are skipped.
 *
 * @param maxBytes maximum size of one line. Characters are counted; a text never has more of them than bytes.
 * @param onLine called from `feed` and `end`, which rethrow what it throws
 * @throws ModelError too_large
 */
export function ndjsonReader (maxBytes: number, onLine: (line: string) => void): BodyReader {
  const decoder = new TextDecoder()
  let partialLine = ''

  const feed = (text: string): void => {
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      const line = partialLine + text.slice(start, end)
      partialLine = ''
      start = end + 1
      if (line.length > maxBytes) throw new ModelError('too_large')
      if (line.trim() !== '') onLine(line)
    }
    partialLine += text.slice(start)
    if (partialLine.length > maxBytes) throw new ModelError('too_large')
  }

  return {
    feed: chunk => { feed(decoder.decode(chunk, { stream: true })) },
    end: () => { feed(`${decoder.decode()}\n`) }
  }
}
