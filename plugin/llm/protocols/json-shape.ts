import { ModelError } from '../model-error.ts'

// What a model sends may have any shape. These functions throw a ModelError `bad_chunk` for a wrong one, so that any other
// error is a bug and is not reported as the model's.

/** @throws ModelError bad_chunk if the data is not a JSON object */
export function parseObject<Shape extends object> (data: string): Shape {
  let value: Shape
  try {
    value = JSON.parse(data)
  } catch (cause) {
    throw new ModelError('bad_chunk', { cause })
  }
  return asObject(value)
}

/** @throws ModelError bad_chunk if the value is not an object */
export function asObject<Shape extends object> (value: Shape | null | undefined): Shape {
  if (typeof value !== 'object' || value === null) throw malformed('an object', value)
  return value
}

/** @throws ModelError bad_chunk if the value is not an array */
export function asArray<Item> (value: readonly Item[] | null | undefined): readonly Item[] {
  if (!Array.isArray(value)) throw malformed('an array', value)
  return value
}

export function isObject<Value> (value: Value): value is Value & object {
  return typeof value === 'object' && value !== null
}

/**
 * The items of a list, without `null`. An object that is not in a list is a list of one, and an empty object is an empty list.
 *
 * @throws ModelError bad_chunk if the value is present, but not a list or an object
 */
export function asList<Item> (value: unknown): Item[] {
  if (value === null || value === undefined) return []
  if (Array.isArray(value)) return (value as Array<Item | null>).filter(item => item !== null)
  if (!isObject(value)) throw malformed('an array', value)
  return Object.keys(value).length > 0 ? [value as Item] : []
}

/**
 * The text of a value. Some servers send numbers where text is expected.
 *
 * @returns an empty string if the value is absent or empty
 * @throws ModelError bad_chunk if the value is an object or an array with content, which would be lost
 */
export function asText (value: unknown): string {
  if (typeof value === 'string') return value
  if (value === null || value === undefined) return ''
  if (typeof value !== 'object') return String(value)
  if (Object.keys(value).length > 0) throw malformed('a string', value)
  return ''
}

/** The JSON that a text or a value of any type contains; an empty string if the value is absent. */
export function asJsonText (value: unknown): string {
  return typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value)
}

function malformed (expected: string, value: unknown): ModelError {
  return new ModelError('bad_chunk', { cause: new TypeError(`The model must send ${expected}; received ${value === null ? 'null' : typeof value}`) })
}
