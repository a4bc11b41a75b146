import { SseClientError } from './errors.ts'
import { retryAfter } from './retry.ts'

/** Characters that are kept of an answer which is no stream. */
const BEGINNING = 16_384

/**
 * The body of an answer that is an event stream.
 *
 * @throws SSE_ERR_STATUS, SSE_ERR_CONTENT_TYPE with the beginning of what it is instead
 */
export async function streamOf (response: Response): Promise<ReadableStream<Uint8Array>> {
  const { ok, status, statusText, headers, body } = response
  if (!ok) throw await refusal(response, 'SSE_ERR_STATUS', `The server answered ${status} ${statusText}`.trimEnd())
  const type = headers.get('content-type') ?? 'no content type'
  if (body !== null && EVENT_STREAM.test(type)) return body
  throw await refusal(response, 'SSE_ERR_CONTENT_TYPE', `The server answered with ${type}, where text/event-stream was expected`)
}

/** A type is compared without parameters, and without regard to case. */
const EVENT_STREAM = /^text\/event-stream\s*(;|$)/i

async function refusal ({ status, headers, body }: Response, code: 'SSE_ERR_STATUS' | 'SSE_ERR_CONTENT_TYPE', message: string): Promise<SseClientError> {
  return new SseClientError(code, message, { status, body: await beginningOf(body), retryAfter: retryAfter(headers) })
}

async function beginningOf (body: ReadableStream<Uint8Array> | null): Promise<string> {
  const reader = body?.getReader()
  const utf8 = new TextDecoder()
  let text = ''
  try {
    while (text.length < BEGINNING) {
      const chunk = await reader?.read()
      if (chunk?.value === undefined) break
      text += utf8.decode(chunk.value, { stream: true })
    }
  } catch {
    // What has come of it will do.
  }
  return text.slice(0, BEGINNING)
}
