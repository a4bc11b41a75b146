import type { FastifyTypeProvider } from 'fastify'
import type { SseSerializer } from './event.ts'

/** A schema for the data of each type of event. That of events without a type is `message`. */
export type SseSchemas = Readonly<Record<string, unknown>>

/** A compiled serializer for each type of event that has a schema. */
export type EventSerializers = ReadonlyMap<string, SseSerializer>

/** The event map of schemas: what their type provider makes of each. */
export type EventsOf<Schemas, Provider extends FastifyTypeProvider> = {
  readonly [Name in keyof Schemas]: (Provider & { readonly schema: Schemas[Name] })['serializer']
}

export function isSchemas (value: unknown): value is SseSchemas {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Compiles schemas once. */
export class SchemaCache {
  readonly #compiled = new WeakMap<object, WeakMap<SseSchemas, EventSerializers>>()

  /**
   * Returns compiled schemas.
   *
   * @param owner what determines how they are compiled, such as their route
   * @param compile compiles one schema, and throws if it is invalid
   */
  get (owner: object, schemas: SseSchemas, compile: (schema: unknown) => SseSerializer): EventSerializers {
    let ofOwner = this.#compiled.get(owner)
    if (ofOwner === undefined) this.#compiled.set(owner, ofOwner = new WeakMap())
    const known = ofOwner.get(schemas)
    if (known !== undefined) return known
    const serializers = new Map(Object.entries(schemas).map(([type, schema]) => [type, compile(schema)]))
    ofOwner.set(schemas, serializers)
    return serializers
  }
}
