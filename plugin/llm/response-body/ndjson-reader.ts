import { errorAtEnd, ModelError } from '../model-error.ts'
import type { BodyReader } from './body-reader.ts'

/**
 * Splits newline-delimited JSON into lines. Blank lines are skipped.
 *
 * @param maxBytes maximum size of one line
 * @param onLine called from `feed` and `end`, which rethrow what it throws
 * @throws ModelError too_large, and truncated from `end` for half a line
 */
export function ndjsonReader (maxBytes: number, onLine: (line: string) => void): BodyReader {
  const decoder = new TextDecoder()
  let line = ''
  let lineBytes = 0

  /** Each part is measured once, however many chunks a line has. */
  const extendLine = (text: string): void => {
    line += text
    lineBytes += Buffer.byteLength(text)
    if (lineBytes > maxBytes) throw new ModelError('too_large')
  }

  const feed = (text: string): void => {
    let start = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      extendLine(text.slice(start, end))
      start = end + 1
      const wholeLine = line
      line = ''
      lineBytes = 0
      if (wholeLine.trim() !== '') onLine(wholeLine)
    }
    extendLine(text.slice(start))
  }

  return {
    feed: chunk => { feed(decoder.decode(chunk, { stream: true })) },
    end: () => {
      const rest = line + decoder.decode()
      try {
        if (rest.trim() !== '') onLine(rest)
      } catch (error) {
        throw errorAtEnd(error, rest.trimStart().startsWith('{'))
      }
    }
  }
}
