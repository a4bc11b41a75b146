import { parseRetryAfter } from '../wire/retry-after.ts'
import { SseClientError } from './errors.ts'

/** Maximum characters that an error keeps of the body of a response. */
const MAX_ERROR_BODY = 16_384

/** Media types are case-insensitive, and may be followed by parameters. */
const EVENT_STREAM = /^text\/event-stream\s*(;|$)/i

/**
 * Returns the body of a response if it is an event stream.
 *
 * @throws SSE_CLIENT_ERR_STATUS or SSE_CLIENT_ERR_CONTENT_TYPE, with the beginning of the body
 */
export async function eventStreamBody (response: Response): Promise<ReadableStream<Uint8Array>> {
  const { ok, status, statusText, headers, body } = response
  if (!ok) throw await responseError(response, 'SSE_CLIENT_ERR_STATUS', `The server responded with ${status} ${statusText}`.trimEnd())
  const type = headers.get('content-type') ?? 'no content type'
  if (body !== null && EVENT_STREAM.test(type)) return body
  throw await responseError(response, 'SSE_CLIENT_ERR_CONTENT_TYPE', `The server responded with ${type}; expected text/event-stream`)
}

async function responseError ({ status, headers, body }: Response, code: 'SSE_CLIENT_ERR_STATUS' | 'SSE_CLIENT_ERR_CONTENT_TYPE', message: string): Promise<SseClientError> {
  const retryAfter = parseRetryAfter(headers.get('retry-after'), headers.get('date'))
  return new SseClientError(code, message, { status, body: await readBeginning(body), retryAfter })
}

async function readBeginning (body: ReadableStream<Uint8Array> | null): Promise<string> {
  const reader = body?.getReader()
  const utf8 = new TextDecoder()
  let text = ''
  try {
    while (text.length < MAX_ERROR_BODY) {
      const chunk = await reader?.read()
      if (chunk?.value === undefined) break
      text += utf8.decode(chunk.value, { stream: true })
    }
  } catch {
    // The connection broke. The text received so far is enough for an error.
  }
  return text.slice(0, MAX_ERROR_BODY)
}
