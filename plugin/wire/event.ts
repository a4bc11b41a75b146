import { inspect } from 'node:util'
import { SSE_ERR_EVENT, SSE_ERR_SERIALIZE } from '../base/errors.ts'

/**
 * The wire format of `text/event-stream` (HTML standard, section "Server-sent events"): an event in, its text out.
 *
 * Nothing that would corrupt the stream gets out: every line of a value gets its field name, and a field that has
 * to be one line is refused when it is not.
 */

/** The fields of an event beside its data. Each is optional; a field that is `undefined` is not written. */
export interface SseFields {
  /**
   * The event's type: browsers dispatch it to `addEventListener(event, …)`. Unset or empty, they dispatch `message`.
   * One line, without NUL.
   */
  readonly event?: string | undefined
  /**
   * What the client sends back as `Last-Event-ID` when it reconnects; empty resets it. One line without control
   * characters: a client ignores an id with NUL, and could not send the others in a header.
   */
  readonly id?: string | number | undefined
  /** How long the client waits before it reconnects, in whole milliseconds from 0. It keeps the value for later, too. */
  readonly retry?: number | undefined
  /** Text that clients skip, on as many lines as it has. It precedes the event. */
  readonly comment?: string | undefined
}

/** What may be sent without a type: whatever the event map says of `message`, the type that browsers give it. */
export type Unnamed<Events> = 'message' extends keyof Events ? Events['message'] : never

/** Anything, where there is no event map: then a type may be known at run time only. */
export type Untyped<Events> = string extends keyof Events ? unknown : never

/** Turns data that is not a string into text, as `JSON.stringify` does. */
export type SseSerializer = (data: unknown) => string

/** Data with its own fields, for `sendAll` and for sending the same event to many emitters. Made by {@link event}. */
export class SseEvent<Data = unknown, Name extends string | undefined = string | undefined> {
  readonly data: Data
  readonly fields: SseFields & { readonly event?: Name }

  constructor (data: Data, fields: SseFields & { readonly event?: Name }) {
    this.data = data
    this.fields = fields
  }
}

/**
 * An item for `emitter.sendAll` that carries its own fields.
 *
 * @param data what `send` takes: a string goes as it is, anything else through the serializer
 * @param fields the event's other fields; checked when the event is sent
 */
export function event<Data> (data: Data, fields?: SseFields & { readonly event?: undefined }): SseEvent<Data, undefined>
export function event<Data, const Name extends string> (data: Data, fields: SseFields & { readonly event: Name }): SseEvent<Data, Name>
export function event (data: unknown, fields: SseFields = {}): SseEvent {
  return new SseEvent(data, fields)
}

/** An empty comment: a client's parser skips it, a proxy sees that the connection lives. */
export const HEARTBEAT = ':\n\n'

const LINE_END = /\r\n|\r|\n/
const FIELDS = new Set(['event', 'id', 'retry', 'comment'])

/** Types of events that this package sends itself, so that a client can trust them. */
const RESERVED = 'sse-'

/** Data as text: a string as it is, anything else by the serializer; `undefined` stays `undefined`. */
export function serialize (data: unknown, serializer: SseSerializer): string | undefined {
  if (typeof data === 'string' || data === undefined) return data
  let text: unknown
  try {
    text = serializer(data)
  } catch (cause) {
    throw new SSE_ERR_SERIALIZE(cause instanceof Error ? cause.message : String(cause), { cause })
  }
  if (typeof text === 'string') return text
  // JSON.stringify gives undefined for a function or a symbol.
  throw new SSE_ERR_SERIALIZE(`the serializer gave ${typeof text} for ${typeof data}, where a string was expected`)
}

/**
 * One event as it goes on the wire, with the blank line that ends it.
 *
 * @param data the event's text; `undefined` for an event without data, which sets an id or a retry and dispatches nothing
 * @param fields the other fields
 * @param space whether a space follows each colon; where a value begins with a space it always does, since a parser
 *   removes one
 * @throws SSE_ERR_EVENT if a field cannot be written or there is nothing to write
 */
export function encode (data: string | undefined, fields: SseFields | undefined, space: boolean): string {
  const head = fields === undefined ? '' : encodeFields(fields, space)
  if (data !== undefined) return `${head}${lines('data', data, space)}\n`
  if (head === '') throw new SSE_ERR_EVENT('is empty: give it data or a field')
  return `${head}\n`
}

/** A comment on its own, which no client dispatches. */
export function encodeComment (text: string, space: boolean): string {
  return `${lines('', checkedText('comment', text), space)}\n`
}

/** Whether a value can be the type of an event. An empty type means the default type, `message`. */
export function isEventType (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !/[\0\r\n]/.test(value)
}

/** Refuses event types that only this package may send. */
export function assertUnreserved (fields: SseFields | undefined): void {
  if (typeof fields?.event === 'string' && fields.event.startsWith(RESERVED)) {
    throw new SSE_ERR_EVENT(`has the type ${JSON.stringify(fields.event)}: types that begin with ${RESERVED} are reserved`)
  }
}

// In the order of Spring's documentation: comment, id, event, retry, then data.
function encodeFields (fields: SseFields, space: boolean): string {
  for (const name in fields) {
    if (!FIELDS.has(name)) throw new SSE_ERR_EVENT(`has no field \`${name}\`: there are ${[...FIELDS].join(', ')}`)
  }
  const { comment, id, event, retry } = fields
  let text = ''
  if (comment !== undefined) text += lines('', checkedText('comment', comment), space)
  if (id !== undefined) text += line('id', checkedId(id), space)
  // An empty type is the same as none, by the standard.
  if (event !== undefined && event !== '') text += line('event', checkedName(event), space)
  if (retry !== undefined) text += line('retry', checkedRetry(retry), space)
  return text
}

function lines (name: string, value: string, space: boolean): string {
  if (!value.includes('\n') && !value.includes('\r')) return line(name, value, space)
  let text = ''
  for (const part of value.split(LINE_END)) text += line(name, part, space)
  return text
}

function line (name: string, value: string, space: boolean): string {
  return space || value.charCodeAt(0) === 0x20 ? `${name}: ${value}\n` : `${name}:${value}\n`
}

function checkedText (field: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw new SSE_ERR_EVENT(`has ${wrong(field, value)}: it must be a string`)
}

function checkedName (value: unknown): string {
  const name = checkedText('event', value)
  if (/[\0\r\n]/.test(name)) throw new SSE_ERR_EVENT(`has ${wrong('event', name)}: it must be one line, without NUL`)
  return name
}

function checkedId (value: unknown): string {
  const id = typeof value === 'number' && Number.isFinite(value) ? String(value) : value
  // eslint-disable-next-line no-control-regex -- finding control characters is the point
  if (typeof id === 'string' && !/[\0-\x08\n-\x1f\x7f]/.test(id)) return id
  throw new SSE_ERR_EVENT(`has ${wrong('id', value)}: it must be a string on one line, without control characters, or a finite number`)
}

function checkedRetry (value: unknown): string {
  // The standard knows ASCII digits only: a client ignores "-1", "1.5" and "1e21".
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return String(value)
  throw new SSE_ERR_EVENT(`has ${wrong('retry', value)}: it must be whole milliseconds, from 0`)
}

function wrong (field: string, value: unknown): string {
  return `the ${field} ${inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 80 })}`
}
