import { errorFromAnswer, jsonOrText, throwReportedError } from '../error-mapping.ts'
import { ModelError } from '../model-error.ts'
import type { DeltaWriter } from '../protocols/delta-writer.ts'
import type { Protocol } from '../protocols/protocol.ts'
import { headerValue, isCompressed, type ResponseHeaders } from '../response-headers.ts'
import type { BodyReader } from './body-reader.ts'
import { detectingReader } from './detecting-reader.ts'
import { eventStreamReader } from './event-stream-reader.ts'
import { ndjsonReader } from './ndjson-reader.ts'
import { textReader } from './text-reader.ts'

/** Data that shows only that the server is alive. */
const KEEP_ALIVE = /^\[?(?:ping|keep[_-]?alive|heartbeat|null)?\]?$/i
const KEEP_ALIVE_TYPES = new Set<string | undefined>(['ping', 'keepalive', 'keep-alive', 'keep_alive', 'heartbeat'])
const OPENING_BRACE = 0x7B

/**
 * Selects the reader for a response with a status of 2xx. The first bytes of the body decide whether it is an event stream,
 * NDJSON, or an answer that is not streamed, because some servers ignore `stream: true`, and many send a wrong Content-Type.
 *
 * @returns undefined if the body is compressed
 */
export function selectReader (status: number, headers: ResponseHeaders, protocol: Protocol, maxEventBytes: number, writer: DeltaWriter): BodyReader | undefined {
  if (isCompressed(headers)) return undefined
  const type = headerValue(headers, 'content-type')?.split(';', 1)[0]!.trim().toLowerCase()
  const onEvent = (data: string, eventType?: string): void => {
    if (writer.ended || KEEP_ALIVE_TYPES.has(eventType)) return
    if (eventType === 'error') throw errorFromAnswer(jsonOrText(data))
    if (data.charCodeAt(0) === OPENING_BRACE || !KEEP_ALIVE.test(data.trim())) protocol.readEvent(data, writer)
  }
  // Some servers append an error as plain JSON to an event stream.
  const onJsonLine = (line: string): void => {
    if (!writer.ended) throwReportedError(jsonOrText(line))
  }
  return detectingReader(format => {
    if (format === 'json' || (format === 'json-line' && protocol.contentType === 'text/event-stream')) return textReader(maxEventBytes, text => { protocol.readWholeAnswer(text, writer) })
    if (format === 'event-stream' || (format === 'other' && type === 'text/event-stream')) return eventStreamReader(maxEventBytes, onEvent, onJsonLine)
    if (format === 'json-line' || (format === 'other' && type === protocol.contentType)) return ndjsonReader(maxEventBytes, onEvent)
    throw new ModelError('bad_content_type', { upstreamStatus: status })
  })
}
