import { inspect } from 'node:util'
import type { SsePayload } from '../wire/entry.ts'
import { SSE_ERR_EVENT } from '../base/errors.ts'
import { assertUnreserved, encode, serialize, type SseFields, type SseSerializer } from '../wire/event.ts'

/** The fields of a published event, beside its data. Its id is the broker's. */
export interface SsePublishFields extends Omit<SseFields, 'id'> {
  /**
   * What this is the latest of: a slow subscriber whose stream has `overflow: 'latest'` is not sent an event that is
   * followed by one of the same key. It does not go to clients. By default the event's type.
   */
  readonly key?: string | undefined
}

/**
 * What is published of data and its fields.
 *
 * @throws SSE_ERR_EVENT or SSE_ERR_SERIALIZE for what could not be written to a client
 */
export function payloadOf (data: unknown, fields: SsePublishFields = {}, serializer: SseSerializer): SsePayload & { readonly data: string } {
  const { key, event, retry, comment } = fields
  assertUnreserved(fields)
  if ('id' in fields) throw new SSE_ERR_EVENT('has an id, which is for the broker to give')
  if (key !== undefined && typeof key !== 'string') throw new SSE_ERR_EVENT(`has the key ${inspect(key, { depth: 0 })}: it must be a string`)
  const text = serialize(data, serializer)
  if (text === undefined) throw new SSE_ERR_EVENT('has no data, without which no client would notice it')
  encode(text, 'key' in fields ? withoutKey(fields) : fields, false)
  // An empty type is the same as none.
  return { data: text, event: event || undefined, retry, comment, key }
}

function withoutKey ({ key, ...fields }: SsePublishFields): SseFields {
  return fields
}
