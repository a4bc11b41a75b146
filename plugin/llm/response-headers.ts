import { parseRetryAfter } from '../wire/retry-after.ts'

/** Response headers with names in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

/** The value of a header; the first one if it is repeated. */
export function headerValue (headers: ResponseHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Values of Content-Encoding that servers send for a body that is not compressed. */
const NOT_COMPRESSED = /^(?:identity|none|utf-?8|chunked)?$/i

/** Whether the body is compressed. Requests exclude compression, but some proxies compress anyway. */
export function isCompressed (headers: ResponseHeaders): boolean {
  return !(headerValue(headers, 'content-encoding') ?? '').split(',').every(coding => NOT_COMPRESSED.test(coding.trim()))
}

/** Milliseconds to wait before a retry, from `retry-after-ms` or `retry-after`. */
export function retryAfter (headers: ResponseHeaders): number | undefined {
  const ms = headerValue(headers, 'retry-after-ms')
  if (ms !== undefined && /^\d{1,12}(?:\.\d+)?$/.test(ms)) return Number(ms)
  return parseRetryAfter(headerValue(headers, 'retry-after'), headerValue(headers, 'date'))
}
