import { assertPayload, type SsePayload } from '../wire/entry.ts'
import { SSE_ERR_EVENT } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import type { EventSerializers } from '../wire/event-schemas.ts'
import { assertFields, FIELDS, serialize, type SseFields, type SseSerializer } from '../wire/event.ts'

const PAYLOAD_FIELDS: ReadonlySet<string> = new Set([...FIELDS, 'key'])

/** The fields of a payload besides its data. */
export interface PayloadFields extends Omit<SseFields, 'id'> {
  /**
   * Identifies the value that the event updates. A slow subscriber whose stream has `overflow: 'latest'` skips an event if a
   * later one with the same key is available. The key is not sent to clients.
   *
   * @default the value of `event`
   */
  readonly key?: string | undefined
}

/** The fields of a published event besides its data. The broker assigns the id. */
export interface SsePublishFields extends PayloadFields {
  /** Identifies this publication, so that it can be retried without being published twice: 1 to 255 characters. */
  readonly idempotencyKey?: string | undefined
}

/** @throws SSE_ERR_EVENT unless the key is undefined or a string of 1 to 255 characters */
export function assertIdempotencyKey (key: unknown): void {
  if (key === undefined || (typeof key === 'string' && key.length >= 1 && key.length <= 255)) return
  throw new SSE_ERR_EVENT('An idempotency key must be a string of 1 to 255 characters', `received ${describe(key)}`)
}

/**
 * Serializes an event to the payload that a broker stores.
 *
 * @param serializers the serializers of events that have a schema
 * @throws SSE_ERR_EVENT or SSE_ERR_SERIALIZE if the event is invalid
 */
export function payloadOf (data: unknown, fields: PayloadFields = {}, serializer: SseSerializer, serializers?: EventSerializers): SsePayload & { readonly data: string } {
  assertFields(fields, PAYLOAD_FIELDS)
  if ('id' in fields) throw new SSE_ERR_EVENT('Event field `id` must not be set on a published event, because the broker assigns it')
  const { key, event, retry, comment } = fields
  const text = serialize(data, serializer, event, serializers)
  if (text === undefined) throw new SSE_ERR_EVENT('A published event must have data, because clients ignore events without data')
  assertPayload({ data: text, event, retry, comment, key })
  // An empty event type means the default type.
  return { data: text, event: event || undefined, retry, comment, key }
}
