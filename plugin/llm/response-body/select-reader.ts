import { errorFromAnswer, jsonOrText } from '../error-mapping.ts'
import type { DeltaWriter } from '../protocols/delta-writer.ts'
import type { Protocol } from '../protocols/protocol.ts'
import { headerValue, type ResponseHeaders } from '../response-headers.ts'
import type { BodyReader } from './body-reader.ts'
import { eventStreamReader } from './event-stream-reader.ts'
import { ndjsonReader } from './ndjson-reader.ts'
import { textReader } from './text-reader.ts'

/**
 * Selects the reader for a response by its Content-Type.
 *
 * @returns undefined if the response is not an answer in this protocol
 */
export function selectReader (headers: ResponseHeaders, protocol: Protocol, maxEventBytes: number, writer: DeltaWriter): BodyReader | undefined {
  if ((headerValue(headers, 'content-encoding') ?? 'identity') !== 'identity') return undefined
  const type = headerValue(headers, 'content-type')?.split(';', 1)[0]!.trim().toLowerCase()
  // Some servers ignore `stream: true`.
  if (type === 'application/json') return textReader(maxEventBytes, text => { protocol.readWholeAnswer(text, writer) })
  if (type !== protocol.contentType) return undefined
  const onEvent = (data: string, eventType?: string): void => {
    if (writer.ended) return
    if (eventType === 'error') throw errorFromAnswer(jsonOrText(data))
    protocol.readEvent(data, writer)
  }
  return type === 'text/event-stream' ? eventStreamReader(maxEventBytes, onEvent) : ndjsonReader(maxEventBytes, onEvent)
}
