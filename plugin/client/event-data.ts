import { messageOf, SseClientError, type SseClientErrorDetails } from './errors.ts'
import type { SseEventSchemas, StandardResult } from './standard-schema.ts'

/** How the data of events is parsed and validated. */
export interface DataSettings {
  readonly parse: ((data: string) => unknown) | undefined
  readonly schemas: SseEventSchemas | undefined
}

/**
 * Parses and validates the data of an event. Without `parse`, only events that have a schema are parsed, as JSON.
 *
 * @throws SSE_CLIENT_ERR_DATA
 */
export async function readData (type: string, text: string, { parse, schemas }: DataSettings): Promise<unknown> {
  const schema = schemas !== undefined && Object.hasOwn(schemas, type) ? schemas[type] : undefined
  if (schema === undefined && parse === undefined) return text
  const result = await parseAndValidate(text).catch((cause: unknown) => { throw invalid(type, messageOf(cause), { cause }) })
  if (result.issues === undefined) return result.value
  throw invalid(type, result.issues.map(({ message }) => message).join('; '), { issues: result.issues })

  async function parseAndValidate (text: string): Promise<StandardResult<unknown>> {
    const value = await (parse ?? JSON.parse)(text)
    return schema === undefined ? { value } : await schema['~standard'].validate(value)
  }
}

function invalid (type: string, reason: string, details: SseClientErrorDetails): SseClientError {
  return new SseClientError('SSE_CLIENT_ERR_DATA', `The data of an event of type "${type}" is invalid: ${reason}`, details)
}
