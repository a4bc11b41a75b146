import type { FastifyReply, RouteOptions } from 'fastify'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import { isSchemas, SchemaCache, type EventSerializers, type SseSchemas } from '../wire/event-schemas.ts'
import { DEFAULT_TYPE, type SseSerializer } from '../wire/event.ts'
import { MEDIA_TYPE } from './headers.ts'

const cache = new SchemaCache()

/**
 * Returns the serializers of the events for which the route of a reply has schemas. They are compiled at the first call, by
 * the serializer compiler that compiles the route's responses.
 *
 * @throws SSE_ERR_OPTION if `schema.sse` is not an object; what the compiler throws for an invalid schema
 */
export function serializersOf (reply: FastifyReply): EventSerializers | undefined {
  const { schema, config } = reply.routeOptions
  const schemas = schema?.sse
  if (schemas === undefined) return undefined
  if (!isSchemas(schemas)) throw new SSE_ERR_OPTION(`Route option \`schema.sse\` must be an object of event types and schemas; received ${describe(schemas)}`)
  return cache.get(config, schemas, schema => reply.compileSerializationSchema(schema as Record<string, unknown>, '200', MEDIA_TYPE) as SseSerializer)
}

/** The parts of a response schema that matter here. */
interface ResponseSchema {
  readonly description?: string
  readonly content?: object
}

interface RouteSchema {
  readonly sse?: unknown
  readonly response?: Readonly<Record<string, ResponseSchema | undefined>>
}

/**
 * Describes the events of a route in its response schema, for documents such as those of @fastify/swagger. The application's own
 * response schema takes precedence. Schemas that are not JSON Schema are left to `sseTransform`.
 */
export function describeEvents (route: RouteOptions): void {
  const schema = route.schema as RouteSchema | undefined
  if (isSchemas(schema?.sse) && !Object.values(schema.sse).some(isStandardSchema)) route.schema = withEvents(schema, schema.sse)
}

/** What the option `transform` of @fastify/swagger receives, and what it returns. */
interface Document { readonly schema?: any, readonly url: string }

/**
 * Describes the events of routes whose schemas are not JSON Schema, such as those of zod.
 *
 * @param transform the option `transform` of @fastify/swagger that converts schemas of responses, such as `jsonSchemaTransform` of
 *   fastify-type-provider-zod
 * @returns the function to pass to @fastify/swagger instead
 */
export function sseTransform<Input extends Document, Output extends Document> (transform: (document: Input) => Output): (document: Input) => Output {
  return document => {
    const transformed = transform(document)
    const schemas: unknown = document.schema?.sse
    if (!isSchemas(schemas) || transformed.schema.hide === true) return transformed
    const convert = (schema: unknown): unknown => transform({ ...document, schema: { response: { 200: schema } } }).schema.response['200']
    const converted = Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, isStandardSchema(schema) ? convert(schema) : schema]))
    return { ...transformed, schema: withEvents(transformed.schema, converted) }
  }
}

/** `itemSchema` is that of OpenAPI 3.2; Fastify requires a `schema` beside it. */
function withEvents (schema: RouteSchema, schemas: SseSchemas): RouteSchema {
  const ok = schema.response?.['200']
  const content = { [MEDIA_TYPE]: { schema: { type: 'string' }, itemSchema: { oneOf: Object.entries(schemas).map(describeEvent) } }, ...ok?.content }
  return { ...schema, response: { ...schema.response, 200: { description: 'Event stream', ...ok, content } } }
}

function describeEvent ([type, contentSchema]: [string, unknown]): object {
  const data = { type: 'string', contentMediaType: 'application/json', contentSchema }
  if (type === DEFAULT_TYPE) return { type: 'object', properties: { data }, required: ['data'] }
  return { type: 'object', properties: { event: { const: type }, data }, required: ['event', 'data'] }
}

/** Whether a schema belongs to a library that follows https://standardschema.dev. */
function isStandardSchema (schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && '~standard' in schema
}
