import { createRequire } from 'node:module'
import type { FastifyInstance, FastifySerializerCompiler } from 'fastify'
import { SchemaCache, type EventSerializers, type SseSchemas } from '../wire/event-schemas.ts'

/** Compiles the schemas of channels, which have no route whose serializer compiler could do it. */
export class ChannelSchemas {
  readonly #app: FastifyInstance
  readonly #cache = new SchemaCache()

  constructor (app: FastifyInstance) {
    this.#app = app
  }

  /** @throws SSE_ERR_OPTION for an invalid schema */
  compile (channel: string, schemas: SseSchemas, serializerCompiler?: FastifySerializerCompiler<any>): EventSerializers {
    return this.#cache.get(serializerCompiler ?? this.#app, schemas, schema => {
      const compiler = serializerCompiler ?? this.#app.serializerCompiler ?? defaultCompiler(this.#app)
      return compiler({ schema, method: 'PUBLISH', url: channel })
    })
  }
}

/** Fastify creates its own compiler for the first route with a response schema. It is a dependency of Fastify, not of this package. */
function defaultCompiler (app: FastifyInstance): FastifySerializerCompiler<any> {
  const fastify = createRequire(createRequire(import.meta.url).resolve('fastify'))
  return fastify('@fastify/fast-json-stringify-compiler').SerializerSelector()(app.getSchemas(), {})
}
