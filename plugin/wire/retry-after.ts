/**
 * Parses a `Retry-After` header (RFC 9110, section 10.2.3): a date, or seconds, which some servers send with a fraction.
 *
 * @param date the `Date` header of the same response, so that a wrong clock on either side does not matter
 * @returns milliseconds; undefined if the header is missing or malformed
 */
export function parseRetryAfter (value: string | null | undefined, date: string | null | undefined): number | undefined {
  if (/^\d{1,12}(?:\.\d+)?$/.test(value ?? '')) return Number(value) * 1_000
  const time = parseDate(value)
  return time === undefined ? undefined : Math.max(0, time - (parseDate(date) ?? Date.now()))
}

function parseDate (value: string | null | undefined): number | undefined {
  // Without the zone, Date.parse finds a date in almost any text with a number.
  const time = value?.endsWith('GMT') === true ? Date.parse(value) : NaN
  return Number.isNaN(time) ? undefined : time
}
