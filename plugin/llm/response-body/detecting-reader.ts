import type { BodyReader } from './body-reader.ts'

/** What the first bytes of a body show. */
export type BodyFormat =
  | 'event-stream'
  /** An array, or an object of several lines. */
  | 'json'
  /** An object, which may be a line of NDJSON. */
  | 'json-line'
  | 'markup'
  | 'other'

/** Enough bytes for the name of a field, or for an object that begins with blanks. */
const MAX_START_BYTES = 16
const FIELD = /^(?:data|event|id|retry|error)?(?:[:\r\n]|$)/
const PART_OF_FIELD = /^(?:d|da|dat|data|e|ev|eve|even|event|er|err|erro|error|i|id|r|re|ret|retr|retry)$/

/**
 * Selects a reader by the first bytes of the body, since many servers and proxies send a wrong Content-Type. A byte order mark
 * and blanks at the start are skipped: some servers send blank lines while the model reasons.
 *
 * @param select called from `feed` and `end`, which rethrow what it throws; not called for an empty body
 */
export function detectingReader (select: (format: BodyFormat) => BodyReader): BodyReader {
  let reader: BodyReader | undefined
  let start: Buffer = Buffer.alloc(0)

  const detect = (chunk: Uint8Array, ended: boolean): void => {
    start = start.length === 0 ? skipBlanks(chunk) : Buffer.concat([start, chunk])
    const format = formatOf(start.toString('latin1', 0, MAX_START_BYTES), ended)
    if (format === undefined) return
    reader = select(format)
    reader.feed(start)
  }

  return {
    feed: chunk => {
      if (reader === undefined) detect(chunk, false)
      else reader.feed(chunk)
    },
    end: () => {
      if (reader === undefined) detect(Buffer.alloc(0), true)
      reader?.end()
    }
  }
}

/** @returns undefined if more bytes are needed */
function formatOf (start: string, ended: boolean): BodyFormat | undefined {
  const isWhole = ended || start.length === MAX_START_BYTES
  if (start === '') return undefined
  if (start[0] === '<') return 'markup'
  if (start[0] === '[') return 'json'
  if (start[0] === '{') {
    const next = /^\{[ \t]*([^ \t])/.exec(start)?.[1]
    if (next === undefined) return isWhole ? 'json-line' : undefined
    return next === '\n' || next === '\r' ? 'json' : 'json-line'
  }
  if (!isWhole && PART_OF_FIELD.test(start)) return undefined
  return FIELD.test(start) ? 'event-stream' : 'other'
}

function skipBlanks (chunk: Uint8Array): Buffer {
  const first = chunk.findIndex(byte => !BLANKS.has(byte))
  return first === -1 ? Buffer.alloc(0) : Buffer.from(chunk.buffer, chunk.byteOffset + first, chunk.length - first)
}

/** Space, tab, line ends, and the bytes of a byte order mark. */
const BLANKS = new Set([0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF])
