import { SseClientError } from './errors.ts'

// What the server says by events of its own, whose types begin with `sse-`.

/** What the history of a channel no longer had: what came after the id `from`, up to and with `to`. */
export interface SseGap {
  readonly channel: string
  readonly from: string
  readonly to: string
}

/** What an `sse-gap` says. What cannot be read is a gap all the same. */
export function gapsIn (data: string): SseGap[] {
  const gaps = parse(data)?.gaps
  return Array.isArray(gaps) ? gaps : []
}

/** What an `sse-error` says. */
export function serverErrorIn (data: string): SseClientError {
  const code = parse(data)?.code
  const serverCode = typeof code === 'string' ? code : undefined
  return new SseClientError('SSE_ERR_SERVER', `The server ended the stream with an error${serverCode === undefined ? '' : `, ${serverCode}`}`, { serverCode })
}

function parse (data: string): Record<string, unknown> | null | undefined {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}
