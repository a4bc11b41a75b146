import type { FastifyTypeProvider } from 'fastify'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import { plainErrorOf } from '../base/failure.ts'
import { describe, type Check } from '../base/option-checks.ts'
import { DEFAULT_TYPE, isEventType, isReserved, type SseSerializer } from './event.ts'

/** A schema for the data of each type of event; `message` is for events without a type. */
export type SseSchemas = Readonly<Record<string, unknown>>

/** A compiled serializer for each type of event that has a schema. */
export type EventSerializers = ReadonlyMap<string, SseSerializer>

/** The event map that a type provider derives from schemas. */
export type SseEventsOf<Schemas, Provider extends FastifyTypeProvider> = {
  readonly [Name in keyof Schemas]: (Provider & { readonly schema: Schemas[Name] })['serializer']
}

/** Checks an object of schemas. A type that no event can have is rejected, because its schema would never apply. */
export const schemas: Check = (value, option) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return option.invalid('must be an object of event types and schemas', describe(value))
  for (const [type, schema] of Object.entries(value)) {
    if (!isEventType(type) || isReserved(type)) return option.invalid(`must have valid event types as its keys; events without a type are \`${DEFAULT_TYPE}\``, describe(type))
    if (!isSchema(schema)) return option.entry(type).invalid('must be a schema', describe(schema))
  }
  return value
}

/** The schemas of some libraries are functions. */
function isSchema (value: unknown): boolean {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/**
 * @param compile compiles one schema, and throws if it is invalid
 * @throws SSE_ERR_OPTION
 */
export function compileSchemas (schemas: SseSchemas, compile: (schema: unknown) => SseSerializer): EventSerializers {
  return new Map(Object.entries(schemas).map(([type, schema]) => {
    try {
      return [type, compile(schema)]
    } catch (cause) {
      throw new SSE_ERR_OPTION(`The schema of the event \`${type}\` cannot be compiled`, plainErrorOf(cause).message, { cause })
    }
  }))
}

/** Compiles schemas once. */
export class SchemaCache {
  readonly #compiled = new WeakMap<object, WeakMap<SseSchemas, EventSerializers>>()

  /**
   * Returns compiled schemas.
   *
   * @param owner what determines how they are compiled, such as their route
   * @param compile compiles one schema, and throws if it is invalid
   * @throws SSE_ERR_OPTION
   */
  get (owner: object, schemas: SseSchemas, compile: (schema: unknown) => SseSerializer): EventSerializers {
    let ofOwner = this.#compiled.get(owner)
    if (ofOwner === undefined) this.#compiled.set(owner, ofOwner = new WeakMap())
    const known = ofOwner.get(schemas)
    if (known !== undefined) return known
    const serializers = compileSchemas(schemas, compile)
    ofOwner.set(schemas, serializers)
    return serializers
  }
}
