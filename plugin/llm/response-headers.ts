/** Response headers with names in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

/** The value of a header; the first one if it is repeated. */
export function headerValue (headers: ResponseHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Milliseconds to wait before a retry, from `retry-after-ms`, or from `retry-after` as seconds or an HTTP date. */
export function retryAfter (headers: ResponseHeaders): number | undefined {
  const ms = parseDelay(headerValue(headers, 'retry-after-ms'))
  if (ms !== undefined) return ms
  const value = headerValue(headers, 'retry-after')
  const seconds = parseDelay(value)
  if (seconds !== undefined) return seconds * 1_000
  const date = value?.endsWith('GMT') === true ? Date.parse(value) : NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

function parseDelay (value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,12}(?:\.\d+)?$/.test(value) ? Number(value) : undefined
}
