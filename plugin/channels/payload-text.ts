import type { SsePayload } from '../wire/entry.ts'

/** Returns a payload as text, which is the same for equal payloads, whatever the order of their fields. */
export function stringifyPayload ({ data, event, retry, comment, key }: SsePayload): string {
  return JSON.stringify([data, event, retry, comment, key])
}

/** Reads the text of `stringifyPayload`. */
export function parsePayload (text: string): SsePayload {
  const [data, event, retry, comment, key] = (JSON.parse(text) as unknown[]).map(value => value ?? undefined)
  return { data, event, retry, comment, key } as SsePayload
}
