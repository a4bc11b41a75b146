/** Response headers; the names in lower case. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The value of a header; the first, where there are several. */
export function header (headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Milliseconds to wait, by `retry-after-ms`, or by `retry-after` in seconds or as a date. */
export function retryAfterOf (headers: Headers): number | undefined {
  const ms = amount(header(headers, 'retry-after-ms'))
  if (ms !== undefined) return ms
  const value = header(headers, 'retry-after')
  const seconds = amount(value)
  if (seconds !== undefined) return seconds * 1_000
  const date = value?.endsWith('GMT') === true ? Date.parse(value) : NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

function amount (value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,12}(?:\.\d+)?$/.test(value) ? Number(value) : undefined
}
