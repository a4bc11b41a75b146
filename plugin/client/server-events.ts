import { SseClientError } from './errors.ts'

/** The types of events that the server sends about a stream. They are not passed to the application. */
const SERVER_EVENTS = new Set(['sse-error', 'sse-heartbeat', 'sse-ready', 'sse-gap', 'sse-reset'])

export function isServerEvent (type: string): boolean {
  return SERVER_EVENTS.has(type)
}

/** Events that a channel no longer had in its history: those after the id `from`, up to and including `to`. */
export interface SseGap {
  readonly channel: string
  readonly from: string
  readonly to: string
}

/** Parses the data of an `sse-gap` event. Malformed data is a gap without details. */
export function parseGaps (data: string): SseGap[] {
  const gaps = parseJson(data)?.gaps
  return Array.isArray(gaps) ? gaps : []
}

/** Parses the data of an `sse-error` event. */
export function parseServerError (data: string): SseClientError {
  const code = parseJson(data)?.code
  const serverCode = typeof code === 'string' ? code : undefined
  return new SseClientError('SSE_CLIENT_ERR_SERVER', `The server ended the stream with ${serverCode === undefined ? 'an error' : `the error ${serverCode}`}`, { serverCode })
}

function parseJson (data: string): Record<string, unknown> | null | undefined {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}
