import { createParser } from 'eventsource-parser'
import type { BodyReader } from './response-body/body-reader.ts'
import { ModelError } from './model-error.ts'

/**
 * Reads an event stream.
 *
 * @param maxBytes what one event may be; counted in characters, of which there are no more than bytes
 * @param onEvent gets the data and the type of each event; what it throws comes out of `feed` and `end`
 * @throws ModelError too_large
 */
export function readEvents (maxBytes: number, onEvent: (data: string, type: string | undefined) => void): BodyReader {
  // It also takes the byte order mark away.
  const decoder = new TextDecoder()
  let afterReturn = false

  const parser = createParser({
    maxBufferSize: maxBytes,
    onEvent: ({ data, event }) => {
      if (data.length > maxBytes) throw new ModelError('too_large')
      // The standard knows no event without data, and some keep the connection alive with such; but an error is one.
      if (data !== '' || event === 'error') onEvent(data, event)
    },
    onError: error => {
      if (error.type === 'max-buffer-size-exceeded') throw new ModelError('too_large')
      // llama.cpp before 2025-11 writes `error: {…}`, a field that the standard does not know.
      if (error.field === 'error') onEvent(error.value!, 'error')
    }
  })

  // The parser would wait at a CR for the LF that may follow; the line has ended all the same.
  const feed = (text: string): void => {
    if (text === '') return
    if (afterReturn && text.startsWith('\n')) text = text.slice(1)
    afterReturn = text.endsWith('\r')
    parser.feed(text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text)
  }

  return {
    feed: chunk => { feed(decoder.decode(chunk, { stream: true })) },
    // Some leave the last blank line out. The standard drops such an event, but here it may be what ends the answer.
    end: () => { feed(`${decoder.decode()}\n\n`) }
  }
}
