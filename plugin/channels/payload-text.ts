import type { SsePayload } from '../wire/entry.ts'

/** Returns a payload as text, which is the same for equal payloads, whatever the order of their fields. */
export function stringifyPayload ({ data, event, retry, comment, key }: SsePayload): string {
  return JSON.stringify([data, event, retry, comment, key])
}

/** Reads the text of `stringifyPayload`. Its fields may be anything; for any other text, there are none. */
export function parsePayload (text: string): SsePayload {
  const fields = parseArray(text)
  const [data, event, retry, comment, key] = fields.map(value => value ?? undefined)
  return { data, event, retry, comment, key } as SsePayload
}

function parseArray (text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}
