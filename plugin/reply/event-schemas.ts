import type { FastifyInstance, FastifyReply, FastifySchema, RouteOptions } from 'fastify'
import { optionNamed } from '../base/options.ts'
import { compileSchemas, SchemaCache, schemas as schemasCheck, type EventSerializers, type SseSchemas } from '../wire/event-schemas.ts'
import { DEFAULT_TYPE, type SseSerializer } from '../wire/event.ts'
import { MEDIA_TYPE } from './headers.ts'

/** The property of a route's configuration that holds its compiled schemas. Fastify copies the configuration. */
const kCompiled = Symbol('sse.compiled')

interface Compiled { serializers?: EventSerializers }

/** The parts of a response schema that matter here. */
interface ResponseSchema {
  readonly description?: string | undefined
  readonly content?: object
}

/** The schemas of routes that are declared after the plugin was loaded. */
export class RouteSchemas {
  #onReady: Array<() => void> = []

  /**
   * @param app the scope of the route
   * @throws SSE_ERR_OPTION if `schema.sse` is invalid
   */
  add (app: FastifyInstance, route: RouteOptions): void {
    const schemas = schemasOf(route.schema)
    // Fastify declares a HEAD route for each GET route. Its schemas are compiled if it is ever requested.
    if (schemas === undefined || route.method === 'HEAD') return
    const compiled: Compiled = {}
    route.config = Object.assign({}, route.config, { [kCompiled]: compiled })
    // Fastify creates the serializer compiler of a scope only for routes that have an object of response schemas.
    route.schema = { ...route.schema, response: route.schema!.response ?? {} }
    this.#onReady.push(() => {
      const compiler = route.serializerCompiler ?? app.serializerCompiler!
      const { method, url } = route as { method: string, url: string }
      compiled.serializers = compileSchemas(schemas, schema => compiler({ schema: schema as object, method, url, httpStatus: '200', contentType: MEDIA_TYPE }))
      describeEvents(route, schemas)
    })
  }

  /**
   * Compiles the schemas, and describes them for documents. Fastify has compiled the responses by then, so that the description
   * does not change how these are serialized.
   *
   * @throws SSE_ERR_OPTION for an invalid schema
   */
  ready (): void {
    for (const callback of this.#onReady) callback()
    this.#onReady = []
  }
}

const cache = new SchemaCache()

/**
 * Returns the serializers of the events for which the route of a reply has schemas. For HEAD, and for a route that
 * was declared before the plugin was loaded, they are compiled at the first call, by the compiler of the route's responses.
 *
 * @throws SSE_ERR_OPTION if `schema.sse` is invalid
 */
export function serializersOf (reply: FastifyReply): EventSerializers | undefined {
  const { schema, config } = reply.routeOptions
  if (schema?.sse === undefined) return undefined
  const compiled = (config as { [kCompiled]?: Compiled })[kCompiled]
  if (compiled !== undefined) return compiled.serializers
  return cache.get(config, schemasOf(schema)!, schema => reply.compileSerializationSchema(schema as Record<string, unknown>, '200', MEDIA_TYPE) as SseSerializer)
}

/** @throws SSE_ERR_OPTION */
function schemasOf (schema: FastifySchema | undefined): SseSchemas | undefined {
  return schema?.sse === undefined ? undefined : schemasCheck(schema.sse, optionNamed('schema.sse')) as SseSchemas
}

/** Schemas that are not JSON Schema are left to `sseTransform`. */
function describeEvents (route: RouteOptions, schemas: SseSchemas): void {
  const all = Object.values(schemas)
  if (all.length > 0 && !all.some(isStandardSchema)) route.schema = withEvents(route.schema!, schemas)
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
    const schemas = schemasOf(document.schema)
    if (schemas === undefined || transformed.schema.hide === true) return transformed
    const convert = (schema: unknown): unknown => transform({ ...document, schema: { response: { 200: schema } } }).schema.response['200']
    const converted = Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, isStandardSchema(schema) ? convert(schema) : schema]))
    return { ...transformed, schema: withEvents(transformed.schema, converted) }
  }
}

/**
 * Describes events in the response schema. The application's own response schemas take precedence.
 *
 * `itemSchema` is that of OpenAPI 3.2; @fastify/swagger requires a `schema` beside it.
 */
function withEvents (schema: FastifySchema, schemas: SseSchemas): FastifySchema {
  const { response = {}, produces = ['application/json'] } = schema as { response?: Record<string, ResponseSchema>, produces?: string[] }
  const ok = response['200'] ?? response['2xx'] ?? response['2XX'] ?? { content: {} }
  // A schema without media types is that of JSON.
  const ownContent = ok.content ?? Object.fromEntries(produces.map(type => [type, { schema: ok }]))
  const events = { schema: { type: 'string' }, itemSchema: { oneOf: [...Object.entries(schemas).map(describeEvent), SERVER_EVENTS] } }
  const { description = 'Event stream' } = ok
  return { ...schema, response: { ...response, 200: { ...ok.content && ok, description, content: { [MEDIA_TYPE]: events, ...ownContent } } } }
}

/** The events that this package sends about a stream, such as `sse-ready`. */
const SERVER_EVENTS = { type: 'object', properties: { event: { type: 'string', pattern: '^sse-' }, data: { type: 'string' } }, required: ['event', 'data'] }

function describeEvent ([type, contentSchema]: [string, unknown]): object {
  const data = { type: 'string', contentMediaType: 'application/json', contentSchema }
  return { type: 'object', properties: { event: { const: type }, data }, required: type === DEFAULT_TYPE ? ['data'] : ['event', 'data'] }
}

/** Whether a schema belongs to a library that follows https://standardschema.dev. */
function isStandardSchema (schema: unknown): boolean {
  return typeof schema === 'object' && schema !== null && '~standard' in schema
}
