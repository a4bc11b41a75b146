import { StringDecoder } from 'node:string_decoder'
import { EventStreamParser } from '../../wire/event-stream-parser.ts'
import { errorAtEnd, ModelError } from '../model-error.ts'
import type { BodyReader } from './body-reader.ts'

const BLANK_LINE = Uint8Array.of(0x0A, 0x0A)

/**
 * Reads the events of a `text/event-stream`.
 *
 * @param maxBytes maximum size of the data of one event, and of one line
 * @param onEvent called from `feed` and `end`, which rethrow what it throws
 * @param onJsonLine called likewise, with a line that is not a field but looks like JSON
 * @throws ModelError too_large, and truncated from `end` for half an event
 */
export function eventStreamReader (maxBytes: number, onEvent: (data: string, type: string) => void, onJsonLine: (line: string) => void): BodyReader {
  // Three times as fast as a TextDecoder.
  const utf8 = new StringDecoder('utf8')
  const parser = new EventStreamParser({ maxLength: maxBytes, lengthOf: Buffer.byteLength, lengthError: () => new ModelError('too_large'), decode: chunk => utf8.write(chunk as Buffer) })

  const feed = (chunk: Uint8Array): void => {
    for (const item of parser.push(chunk)) {
      // Some servers send events with empty data as heartbeats, but an error may have no data either.
      if (item.kind === 'event' && (item.data !== '' || item.type === 'error')) onEvent(item.data, item.type)
      // llama.cpp before November 2025 reports errors in a field of its own, `error: {…}`.
      else if (item.kind === 'unknown' && item.field === 'error') onEvent(item.value, 'error')
      else if (item.kind === 'unknown' && /^[{[]/.test(item.field)) onJsonLine(`${item.field}:${item.value}`)
    }
  }

  return {
    feed,
    // Some servers omit the blank line after the last event. The standard discards such an event, but it may be the one
    // that ends the answer.
    end: () => {
      const { incomplete } = parser
      try {
        feed(BLANK_LINE)
      } catch (error) {
        throw errorAtEnd(error, incomplete)
      }
    }
  }
}
