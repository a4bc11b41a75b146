import { inspect } from 'node:util'
import { SSE_ERR_CHANNEL, SSE_ERR_OPTION } from './errors.ts'
import { encode } from '../wire/event.ts'

/** Gives the value that an option has. @throws SSE_ERR_OPTION if it cannot have this one */
export type Check = (name: string, value: unknown) => unknown

function fail (name: string, rule: string, value: unknown): never {
  throw new SSE_ERR_OPTION(name, rule, `${inspect(value, { depth: 1, breakLength: Infinity })} (${typeof value})`)
}

/** A whole number, from a minimum. @param hint what the minimum, or 0, means */
export function whole (minimum: number, unit: string, hint?: string): Check {
  const rule = `must be a whole number${unit && ` of ${unit}`} from ${minimum}${hint === undefined ? '' : ` (${hint})`}`
  return (name, value) => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= minimum) return value
    return fail(name, rule, value)
  }
}

export function oneOf (...choices: string[]): Check {
  const rule = `must be ${choices.map(choice => `'${choice}'`).join(' or ')}`
  return (name, value) => choices.includes(value as string) ? value : fail(name, rule, value)
}

export function isFunction (name: string, value: unknown): unknown {
  return typeof value === 'function' ? value : fail(name, 'must be a function', value)
}

export function isBoolean (name: string, value: unknown): unknown {
  return typeof value === 'boolean' ? value : fail(name, 'must be true or false', value)
}

/** @throws SSE_ERR_CHANNEL for what is no name for a channel */
export function channelName (name: unknown): string {
  // eslint-disable-next-line no-control-regex -- finding control characters is the point
  if (typeof name === 'string' && /^[^\0-\x1f\x7f]{1,255}$/.test(name)) return name
  throw new SSE_ERR_CHANNEL(inspect(name, { depth: 0, maxStringLength: 80 }))
}

/** A text that says something. */
export function isText (name: string, value: unknown): unknown {
  return typeof value === 'string' && value !== '' ? value : fail(name, 'must be a non-empty string', value)
}

/** Whether it is to be used as a broker. */
export function isBroker (name: string, value: unknown): unknown {
  const missing = ['publish', 'subscribe', 'replay', 'close'].filter(method => typeof (value as Record<string, unknown> | null)?.[method] !== 'function')
  return missing.length === 0 ? value : fail(name, `must be a broker, which has a method ${missing[0]}`, value)
}

/** The type of an event. */
export function eventType (name: string, value: unknown): unknown {
  if (typeof value !== 'string' || value === '') return fail(name, 'must be the type of an event, a non-empty string', value)
  encode('', { event: value }, false)
  return value
}

/** A moment, as milliseconds since 1970. */
export function moment (name: string, value: unknown): number {
  const time = value instanceof Date ? value.getTime() : value
  if (typeof time === 'number' && Number.isFinite(time)) return time
  return fail(name, 'must be a Date or milliseconds since 1970', value)
}

// They frame the message, which is the server's to do; HTTP/2 forbids all but the first (RFC 9113, 8.2.2).
const FRAMING = new Set(['content-length', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** Response headers that an event stream may have; their names in lower case. */
export function streamHeaders (name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(name, 'must be an object of header names and values', value)
  const headers: Record<string, unknown> = {}
  for (const [key, header] of Object.entries(value)) {
    const field = key.toLowerCase()
    if (FRAMING.has(field)) fail(`${name}.${key}`, 'must be left to the server, which frames the stream', header)
    if (field === 'content-type' && !isEventStream(header)) fail(`${name}.${key}`, 'must be text/event-stream, with parameters if you like', header)
    if (header !== undefined) headers[field] = header
  }
  return Object.freeze(headers)
}

/** Whether a content type is that of an event stream: clients compare without parameters and without regard to case. */
export function isEventStream (contentType: unknown): boolean {
  return typeof contentType === 'string' && /^text\/event-stream\s*(;|$)/i.test(contentType)
}
