import { constants } from 'node:buffer'
import { notPromise } from '../base/callbacks.ts'
import { SSE_ERR_EVENT, SSE_ERR_SERIALIZE } from '../base/errors.ts'
import { plainErrorOf } from '../base/failure.ts'
import { describe } from '../base/option-checks.ts'
import type { EventSerializers } from './event-schemas.ts'

/**
 * Encodes events as `text/event-stream` (HTML standard, section "Server-sent events").
 *
 * No value can corrupt the stream: each line of data or a comment is written with its field name, and a line break in any
 * other field throws.
 */

/** The fields of an event except its data. Fields that are `undefined` are not written. */
export interface SseFields {
  /**
   * The type of the event, for which clients call `addEventListener`. A single line without NUL. Without a type, or with
   * an empty one, browsers dispatch the event as `message`.
   */
  readonly event?: string | undefined
  /**
   * The id, which the client sends as `Last-Event-ID` when it reconnects; an empty id resets it. A finite number, or a
   * string without line breaks and control characters: clients ignore an id that contains NUL, and can't send the other
   * control characters in a header.
   */
  readonly id?: string | number | undefined
  /** Milliseconds that the client waits before it reconnects, from now on. A non-negative integer. */
  readonly retry?: number | undefined
  /** A comment, which is written before the event. Clients ignore it. It may have several lines. */
  readonly comment?: string | undefined
}

/**
 * The data of an event whose type is known only at run time: any data without an event map, none with one. The map is unknown where
 * utility types such as `Parameters` and `ReturnType` are applied to a generic function.
 */
export type Untyped<Events> = string extends keyof Events ? any : unknown extends Events ? any : never

/** The data of an event without a type: that of `message` in the event map, because browsers dispatch it as `message`. */
export type Unnamed<Events> = Untyped<Events> | (Events extends { readonly message: infer Data } ? Data : never)

/** Converts data that is not a string to a string, as `JSON.stringify` does. */
export type SseSerializer = (data: unknown) => string

/** Data together with its event fields. {@link event} creates it. */
export class SseEvent<Data = unknown, Name extends string | undefined = string | undefined> {
  readonly data: Data
  readonly fields: SseFields & { readonly event?: Name }

  constructor (data: Data, fields: SseFields & { readonly event?: Name }) {
    this.data = data
    this.fields = fields
  }
}

/**
 * Creates an item for `emitter.sendAll()` with event fields of its own.
 *
 * @param data a string, which is sent as it is, or any other value, which is serialized
 * @param fields the other fields of the event, which are checked when the event is sent
 */
export function event<Data> (data: Data, fields?: SseFields & { readonly event?: undefined }): SseEvent<Data, undefined>
export function event<Data, const Name extends string | undefined> (data: Data, fields: SseFields & { readonly event?: Name }): SseEvent<Data, Name>
export function event (data: unknown, fields: SseFields = {}): SseEvent {
  return new SseEvent(data, fields)
}

/**
 * An empty comment. Clients ignore it, and it shows proxies that the connection is alive. It has no blank line, for which
 * @microsoft/fetch-event-source dispatches an empty message.
 */
export const HEARTBEAT = ':\n'

/** The maximum number of characters of an event. With what else is sent, it must fit in one string. */
const MAX_LENGTH = constants.MAX_STRING_LENGTH - 1024 * 1024

/** The type with which browsers dispatch an event without a type. */
export const DEFAULT_TYPE = 'message'

const LINE_END = /\r\n|\r|\n/
export const FIELDS: ReadonlySet<string> = new Set(['event', 'id', 'retry', 'comment'])

/** The prefix of the types of events that only this package sends, so that clients can rely on them. */
const RESERVED = 'sse-'

/**
 * Converts the data of an event to text. Returns `undefined` unchanged, and a string, too, unless the event has a schema.
 *
 * @param type the type of the event, which selects its serializer among `serializers`
 * @throws SSE_ERR_SERIALIZE
 */
export function serialize (data: unknown, serializer: SseSerializer, type?: string, serializers?: EventSerializers): string | undefined {
  if (data === undefined) return data
  const ofType = serializers?.get(type || DEFAULT_TYPE)
  if (ofType !== undefined) return callSerializer(ofType, data)
  return typeof data === 'string' ? data : callSerializer(serializer, data)
}

function callSerializer (serializer: SseSerializer, data: unknown): string {
  let text: unknown
  try {
    text = notPromise(serializer(data), 'serializer', 'a string')
  } catch (cause) {
    throw new SSE_ERR_SERIALIZE(plainErrorOf(cause).message, { cause })
  }
  if (typeof text === 'string') return text
  // JSON.stringify returns undefined for a function or a symbol.
  throw new SSE_ERR_SERIALIZE(`the serializer must return a string, and returned ${describe(text)} for ${describe(data)}`)
}

/**
 * Encodes an event, including the blank line that ends it.
 *
 * @param data the event's text; without it, clients apply the id and the retry but dispatch no event
 * @param fields the other fields
 * @param spaceAfterColon whether to write a space after each colon; a value that starts with a space always gets one, because
 *   parsers remove it
 * @throws SSE_ERR_EVENT if a field is invalid or the event is empty
 */
export function encode (data: string | undefined, fields: SseFields | undefined, spaceAfterColon: boolean): string {
  if (data !== undefined) assertLength(data)
  const head = fields === undefined ? '' : encodeFields(fields, spaceAfterColon)
  if (data !== undefined) return `${head}${encodeLines('data', data, spaceAfterColon)}\n`
  if (head === '') throw empty()
  return `${head}\n`
}

/** Encodes a comment that belongs to no event. Clients ignore it. */
export function encodeComment (text: string, spaceAfterColon: boolean): string {
  return `${encodeLines('', checkString('comment', text), spaceAfterColon)}\n`
}

/** Encodes a retry that is written before the first event. As for {@link HEARTBEAT}, no blank line follows. */
export function encodeRetry (retry: number, spaceAfterColon: boolean): string {
  return encodeLine('retry', checkRetry(retry), spaceAfterColon)
}

/** Whether a value is a valid event type. An empty string is not: it means the default type, `message`. */
export function isEventType (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !/[\0\r\n]/.test(value)
}

/**
 * @param names the fields that are allowed; those of {@link SseFields} by default
 * @throws SSE_ERR_EVENT for fields that are not an object, or an unknown field
 */
export function assertFields (fields: unknown, names = FIELDS): void {
  if (typeof fields !== 'object' || fields === null) throw new SSE_ERR_EVENT('Event fields must be an object', `received ${describe(fields)}`)
  for (const name in fields) {
    if (!names.has(name)) throw new SSE_ERR_EVENT(`Unknown event field \`${name}\`; expected one of ${[...names].join(', ')}`)
  }
}

/** @throws SSE_ERR_EVENT if a field is invalid or `data` is no text, or if there is neither data nor a field */
export function assertEncodable (data: unknown, { event, retry, comment }: SseFields): void {
  if (data !== undefined) assertLength(checkString('data', data))
  if (comment !== undefined) checkString('comment', comment)
  if (event !== undefined) checkType(event)
  if (retry !== undefined) checkRetry(retry)
  assertUnreserved({ event })
  if (data === undefined && comment === undefined && !event && retry === undefined) throw empty()
}

/** Whether only this package sends events of a type. */
export function isReserved (type: string): boolean {
  return type.startsWith(RESERVED)
}

/** @throws SSE_ERR_EVENT for an event type that only this package sends */
export function assertUnreserved (fields: SseFields | undefined): void {
  if (typeof fields?.event === 'string' && isReserved(fields.event)) {
    throw new SSE_ERR_EVENT(`Event types that start with \`${RESERVED}\` are reserved`, `received ${describe(fields.event)}`)
  }
}

// The order of Spring's SseEmitter: comment, id, event, retry, data.
function encodeFields (fields: SseFields, spaceAfterColon: boolean): string {
  assertFields(fields)
  const { comment, id, event, retry } = fields
  let text = ''
  if (comment !== undefined) text += encodeLines('', checkString('comment', comment), spaceAfterColon)
  if (id !== undefined) text += encodeLine('id', checkId(id), spaceAfterColon)
  // By the standard, an empty type means the default type.
  if (event !== undefined && event !== '') text += encodeLine('event', checkType(event), spaceAfterColon)
  if (retry !== undefined) text += encodeLine('retry', checkRetry(retry), spaceAfterColon)
  return text
}

/** A field with one line for each line of its value. */
function encodeLines (name: string, value: string, spaceAfterColon: boolean): string {
  if (!value.includes('\n') && !value.includes('\r')) return encodeLine(name, value, spaceAfterColon)
  let text = ''
  for (const line of value.split(LINE_END)) text += encodeLine(name, line, spaceAfterColon)
  return text
}

function encodeLine (name: string, value: string, spaceAfterColon: boolean): string {
  return spaceAfterColon || value.charCodeAt(0) === 0x20 ? `${name}: ${value}\n` : `${name}:${value}\n`
}

function assertLength (data: string): void {
  if (data.length > MAX_LENGTH) throw new SSE_ERR_EVENT(`Event data must not exceed ${MAX_LENGTH} characters`, `received ${data.length}`)
}

function empty (): Error {
  return new SSE_ERR_EVENT('An event must have data or at least one field')
}

function checkString (field: string, value: unknown): string {
  return typeof value === 'string' ? value : invalid(field, 'must be a string', value)
}

function checkType (value: unknown): string {
  const type = checkString('event', value)
  return /[\0\r\n]/.test(type) ? invalid('event', 'must be a single line without NUL', type) : type
}

/** Whether a string is a valid id. */
export function isEventId (id: string): boolean {
  // eslint-disable-next-line no-control-regex -- finding control characters is the point
  return !/[\0-\x08\n-\x1f\x7f]/.test(id)
}

function checkId (value: unknown): string {
  const id = typeof value === 'number' && Number.isFinite(value) ? String(value) : value
  if (typeof id === 'string' && isEventId(id)) return id
  return invalid('id', 'must be a finite number, or a string without line breaks and control characters', value)
}

function checkRetry (value: unknown): string {
  // By the standard, only ASCII digits are valid: clients ignore "-1", "1.5" and "1e21".
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value)
  return invalid('retry', 'must be a non-negative integer of milliseconds', value)
}

function invalid (field: string, rule: string, value: unknown): never {
  throw new SSE_ERR_EVENT(`Event field \`${field}\` ${rule}`, `received ${describe(value)}`)
}
