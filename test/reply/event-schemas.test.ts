import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifySchema, FastifySerializerCompiler } from 'fastify'
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { event, sseTransform } from 'fastify-sse-emitter'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { build, buildUnloaded, WARN } from '../fixtures/app.ts'
import { decode } from '../fixtures/client.ts'
import { until } from '../fixtures/until.ts'

const TICK = { type: 'object', properties: { price: { type: 'number' } }, required: ['price'] }
const SCHEMA = { sse: { tick: TICK, message: { type: 'string' } } }

async function dataOf (app: FastifyInstance, url = '/'): Promise<Array<[string | undefined, string]>> {
  const { body } = await app.inject(url)
  return decode(body).events.map(({ event, data }) => [event, data])
}

t.test('the data of an event with a schema is JSON that contains only what the schema names', async t => {
  const { app } = await build(t)
  app.get('/', { schema: SCHEMA }, async (_request, reply) => {
    const emitter = reply.sse<any>()
    await emitter.send({ price: 1, password: 'secret' }, { event: 'tick' })
    await emitter.send('two\nlines "quoted"')
    await emitter.send({ any: 1 }, { event: 'other' })
    await emitter.send('text', { event: 'other' })
    await emitter.sendAll([event({ price: 2, password: 'secret' }, { event: 'tick' }), 'item'])
    await emitter.send(undefined, { retry: 5 })
    emitter.complete()
    return reply
  })
  t.strictSame(await dataOf(app), [
    ['tick', '{"price":1}'], [undefined, '"two\\nlines \\"quoted\\""'], ['other', '{"any":1}'], ['other', 'text'],
    ['tick', '{"price":2}'], [undefined, '"item"']
  ])
})

t.test('data that does not match its schema is rejected, and the stream continues', async t => {
  const { app, logs } = await build(t)
  app.get('/', { schema: SCHEMA }, async (_request, reply) => {
    const emitter = reply.sse<any>()
    await t.rejects(emitter.send({ price: 'high' }, { event: 'tick' }), { code: 'SSE_ERR_SERIALIZE' })
    await t.rejects(emitter.send({}, { event: 'tick' }), { code: 'SSE_ERR_SERIALIZE' })
    await emitter.send({ price: 1 }, { event: 'tick' })
    emitter.complete()
    return reply
  })
  t.strictSame(await dataOf(app), [['tick', '{"price":1}']])
  await until(() => logs.filter(({ level }) => level >= WARN).length === 2, 'both failures are logged')
})

t.test('schemas apply to routes that were declared before the plugin, and refer to shared schemas', async t => {
  const { app } = buildUnloaded(t)
  app.addSchema({ $id: 'tick', ...TICK })
  app.get('/', { schema: { sse: { tick: { $ref: 'tick#' } } } }, async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send({ price: 1, password: 'secret' }, { event: 'tick' })
    emitter.complete()
    return reply
  })
  t.strictSame(await dataOf(app), [['tick', '{"price":1}']])
})

t.test('the serializer compiler of the route compiles the schemas, once', async t => {
  const { app } = await build(t)
  const compiled: unknown[] = []
  app.get('/', {
    schema: { sse: { tick: { title: 'Tick' } } },
    serializerCompiler: ({ schema, httpStatus }) => {
      if (httpStatus === '200') compiled.push(schema)
      return data => `<${data}>`
    }
  }, async (_request, reply) => {
    const emitter = reply.sse()
    await emitter.send(1, { event: 'tick' })
    emitter.complete()
    return reply
  })
  t.strictSame(await dataOf(app), [['tick', '<1>']])
  t.strictSame(await dataOf(app), [['tick', '<1>']])
  t.equal(compiled.filter(schema => (schema as { title?: string }).title === 'Tick').length, 1)
})

t.test('the serializer compiler of a scope compiles the schemas of its routes, with its shared schemas', async t => {
  for (const unloaded of [true, false]) {
    const { app } = unloaded ? buildUnloaded(t) : await build(t)
    app.addSchema({ $id: 'outer', ...TICK })
    app.get('/outer', { schema: { response: { 200: { $ref: 'outer#' } } } }, async () => ({ price: 1 }))
    const sends = (scope: FastifyInstance, url: string, tick: object) => scope.get(url, { schema: { sse: { tick } } }, async (_request, reply) => {
      const emitter = reply.sse<any>()
      await emitter.send({ price: 1, password: 'secret' }, { event: 'tick' })
      emitter.complete()
      return reply
    })
    app.register(async scope => {
      scope.addSchema({ $id: 'inner', ...TICK })
      sends(scope, '/inner', { $ref: 'inner#' })
      sends(scope, '/inner-outer', { $ref: 'outer#' })
      scope.register(async custom => {
        custom.setSerializerCompiler(() => () => 'custom')
        sends(custom, '/custom', {})
      })
    })
    for (const url of ['/inner', '/inner-outer']) t.strictSame(await dataOf(app, url), [['tick', '{"price":1}']])
    t.strictSame(await dataOf(app, '/custom'), [['tick', 'custom']])
  }
})

t.test('a HEAD request of a route with schemas is answered', async t => {
  const { app } = await build(t)
  app.get('/', { schema: SCHEMA }, async (_request, reply) => reply.sse())
  t.match(await app.inject({ method: 'HEAD', url: '/' }), { statusCode: 200, headers: { 'content-type': 'text/event-stream; charset=utf-8' }, body: '' })
})

t.test('schemas of events do not change how other replies of the route are serialized', async t => {
  const own = { description: 'Own', ...TICK }
  const responses: Record<string, object> = {
    200: own, '2xx': own, '2XX': own, default: own, '200 ': { content: { 'application/json': { schema: own } } }, '2xx ': { content: { '*/*': { schema: own } } }
  }
  for (const [status, schema] of Object.entries(responses)) {
    const { app } = await build(t)
    app.get('/', { schema: { ...SCHEMA, response: { [status.trim()]: schema } } }, async (_request, reply) => {
      reply.type('application/json')
      return { price: 1, password: 'secret' } as never
    })
    t.equal((await app.inject('/')).body, '{"price":1}', status)
  }
})

t.test('a route may have no response schemas', async t => {
  for (const response of [undefined, null]) {
    const { app } = await build(t)
    app.get('/', { schema: { ...SCHEMA, response } }, async (_request, reply) => {
      reply.sse().complete({ event: 'tick', data: { price: 1, password: 'secret' } })
      return reply
    })
    t.strictSame(await dataOf(app), [['tick', '{"price":1}']])
  }
})

t.test('invalid schemas are rejected when the route is declared, or when the application starts', async t => {
  for (const sse of [['tick'], null, 'tick', { '': TICK }, { tick: undefined }]) {
    const { app } = await build(t)
    t.throws(() => app.get('/', { schema: { sse } }, async (_request, reply) => reply.sse()), { code: 'SSE_ERR_OPTION', message: /^Option `schema\.sse/ })
  }
  const { app } = await build(t)
  app.get('/', { schema: { sse: { tick: { $ref: 'missing#' } } } }, async (_request, reply) => reply.sse())
  await t.rejects(async () => await app.ready(), { code: 'SSE_ERR_OPTION', message: 'The schema of the event `tick` cannot be compiled' })
})

t.test('invalid schemas of a route that was declared before the plugin fail its requests', async t => {
  for (const [sse, message] of [[['tick'], /^Option `schema\.sse` must be/], [{ tick: { $ref: 'missing#' } }, /cannot be compiled/]] as const) {
    const { app, logs } = buildUnloaded(t)
    app.get('/', { schema: { sse } }, async (_request, reply) => reply.sse())
    const { statusCode, body } = await app.inject('/')
    t.equal(statusCode, 500)
    t.match(JSON.parse(body), { code: 'SSE_ERR_OPTION' })
    t.match(logs.find(({ level }) => level >= WARN)?.err?.message, message)
  }
})

t.test('data is converted as in a response', async t => {
  const { app } = await build(t)
  const properties = { price: { type: 'number' }, at: { type: 'string', format: 'date-time' }, transform: { type: 'string', transform: ['trim'] } }
  app.get('/', { schema: { sse: { tick: { type: 'object', nullable: true, properties }, message: {} } } }, async (_request, reply) => {
    const emitter = reply.sse<any>()
    await emitter.send({ price: '1.5', at: new Date(0), transform: ' ', other: 1 }, { event: 'tick' })
    await emitter.send(null, { event: 'tick' })
    await emitter.send({ price: Infinity }, { event: 'tick' })
    await t.rejects(emitter.send({ price: NaN }, { event: 'tick' }), { code: 'SSE_ERR_SERIALIZE' })
    for (const data of ['a\nb', '5', 5, null, { any: [1] }]) await emitter.send(data, { event: '' })
    emitter.complete()
    return reply
  })
  t.strictSame((await dataOf(app)).map(([, data]) => data), [
    '{"price":1.5,"at":"1970-01-01T00:00:00.000Z","transform":" "}', 'null', '{"price":null}', '"a\\nb"', '"5"', '5', 'null', '{"any":[1]}'
  ])
})

t.test('events that a stream receives from a channel are not serialized by the schemas of the route', async t => {
  const { app } = await build(t)
  const prices = app.sse.channel('prices')
  await prices.publish({ price: 1, volume: 2 }, { event: 'tick' })
  app.get('/', { schema: SCHEMA }, async (_request, reply) => {
    await reply.sse().subscribe(prices, { from: 'start', markers: false, until: () => true })
    return reply
  })
  t.strictSame(await dataOf(app), [['tick', '{"price":1,"volume":2}']])
})

/** Declares a route, and returns how the document of @fastify/swagger describes it. */
async function describe (t: Test, schema: FastifySchema & Record<string, unknown>, { transform, compiler }: { transform?: typeof jsonSchemaTransform, compiler?: FastifySerializerCompiler<any> } = {}): Promise<any> {
  const { app } = buildUnloaded(t)
  await app.register(swagger, { openapi: { openapi: '3.2.0' }, ...transform && { transform } })
  await app.after()
  if (transform !== undefined) app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  app.addSchema({ $id: 'tick', ...TICK })
  app.get('/', { schema, ...compiler && { serializerCompiler: compiler } }, async (_request, reply) => reply.sse())
  await app.ready()
  return app.swagger()
}

/** How OpenAPI 3.2 describes an event stream. */
function content (tick: unknown): object {
  const data = (contentSchema: unknown) => ({ type: 'string', contentMediaType: 'application/json', contentSchema })
  return {
    'text/event-stream': {
      schema: { type: 'string' },
      itemSchema: {
        oneOf: [
          { type: 'object', properties: { event: { enum: ['tick'] }, data: data(tick) }, required: ['event', 'data'] },
          { type: 'object', properties: { event: { enum: ['message'] }, data: data({ type: 'string' }) }, required: ['data'] },
          { type: 'object', properties: { event: { type: 'string', pattern: '^sse-' }, data: { type: 'string' } }, required: ['event', 'data'] }
        ]
      }
    }
  }
}

t.test('documents describe the events of a route', async t => {
  const { paths } = await describe(t, SCHEMA)
  t.strictSame(paths['/'].get.responses, { 200: { description: 'Event stream', content: content(TICK) } })
})

t.test('documents resolve shared schemas', async t => {
  const { paths, components } = await describe(t, { sse: { ...SCHEMA.sse, tick: { $ref: 'tick#' } } })
  const [name] = Object.keys(components.schemas)
  t.match(components.schemas[name!], TICK)
  t.strictSame(paths['/'].get.responses[200].content, content({ $ref: `#/components/schemas/${name}` }))
})

t.test('documents keep the response schemas of the application', async t => {
  const json = { 'application/json': { schema: { type: 'object', properties: { price: { type: 'number' } } } } }
  const notFound = { description: 'No such price', type: 'null' }
  const { paths } = await describe(t, { ...SCHEMA, response: { 200: { description: 'Prices', content: json }, 404: notFound } })
  const { 200: ok, 404: missing } = paths['/'].get.responses
  t.equal(ok.description, 'Prices')
  t.strictSame(ok.content, { ...content(TICK), ...json })
  t.equal(missing.description, 'No such price')
  const own = { 'text/event-stream': { schema: { type: 'string', description: 'Own' } } }
  const overridden = await describe(t, { ...SCHEMA, response: { 200: { description: 'Prices', content: own } } })
  t.strictSame(overridden.paths['/'].get.responses[200].content, own)
})

t.test('documents describe events beside a response schema without media types', async t => {
  const price = { type: 'object', properties: { price: { type: 'number' } } }
  const described = async (schema: object) => (await describe(t, { ...SCHEMA, ...schema })).paths['/'].get.responses
  const plain = await described({ response: { 200: { description: 'Prices', ...price } } })
  t.strictSame(plain[200], { description: 'Prices', content: { ...content(TICK), 'application/json': { schema: { description: 'Prices', ...price } } } })
  const reference = await described({ response: { 200: { $ref: 'tick#' } }, produces: ['application/vnd.tick+json'] })
  t.match(reference[200], { description: 'Event stream', content: { 'application/vnd.tick+json': { schema: { $ref: /^#\/components\/schemas\// } } } })
  const success = await described({ response: { '2xx': price } })
  t.strictSame(success[200].content, { ...content(TICK), 'application/json': { schema: price } })
  t.strictSame(success['2XX'].content, { 'application/json': { schema: price } })
  t.strictSame((await described({ sse: {} }))[200], undefined, 'a route without events is not described')
})

t.test('@fastify/swagger-ui serves the events of a route, its own response and their components as OpenAPI 3.2', async t => {
  const { app } = buildUnloaded(t)
  app.register(swagger, { openapi: { openapi: '3.2.0' } })
  app.register(swaggerUi)
  await app.after()
  app.addSchema({ $id: 'tick', ...TICK })
  const response = { 200: { description: 'All prices', type: 'array', items: { $ref: 'tick#' } } }
  app.get('/', { schema: { sse: { ...SCHEMA.sse, tick: { $ref: 'tick#' } }, response } }, async (_request, reply) => {
    reply.sse()
    return reply
  })
  const { openapi, paths, components } = (await app.inject('/documentation/json')).json()
  t.equal(openapi, '3.2.0')
  const [[name, tick]] = Object.entries(components.schemas) as [[string, object]]
  t.match(tick, TICK)
  const reference = { $ref: `#/components/schemas/${name}` }
  t.match(paths['/'].get.responses, { 200: { description: 'All prices', content: { ...content(reference), 'application/json': { schema: { type: 'array', items: reference } } } } })
  t.equal((await app.inject('/documentation/')).statusCode, 200)
})

t.test('documents describe events with schemas of zod', async t => {
  const tick = z.object({ price: z.number() })
  const transform = sseTransform(jsonSchemaTransform)
  const { paths } = await describe(t, { sse: { tick, message: z.string() } }, { transform })
  t.strictSame(paths['/'].get.responses[200].content, content({ ...TICK, additionalProperties: false }))
  const plain = await describe(t, { response: { 200: z.string() } }, { transform })
  t.strictSame(Object.keys(plain.paths['/'].get.responses[200].content), ['application/json'], 'other routes are described as before')
  const mixed = await describe(t, { sse: { tick, message: { type: 'string' } } }, { transform, compiler: () => String })
  t.strictSame(mixed.paths['/'].get.responses[200].content, content({ ...TICK, additionalProperties: false }), 'a map may have schemas of both kinds')
  t.strictSame((await describe(t, { sse: { tick }, hide: true }, { transform })).paths, {}, 'hidden routes are not described')
})

t.test('zod encodes data, or rejects it', async t => {
  const { app } = await build(t)
  app.setSerializerCompiler(serializerCompiler)
  const date = z.codec(z.iso.datetime(), z.date(), { decode: text => new Date(text), encode: date => date.toISOString() })
  const sse = { at: date, long: z.string().min(3), length: z.string().transform(text => text.length), later: z.string().refine(async () => true) }
  app.get('/', { schema: { sse } }, async (_request, reply) => {
    const emitter = reply.sse<any>()
    await emitter.send(new Date(0), { event: 'at' })
    await emitter.send('long', { event: 'long' })
    for (const [event, data] of [['at', '1970'], ['long', 'ab'], ['length', 'abc'], ['later', 'abc']] as const) {
      await t.rejects(emitter.send(data, { event }), { code: 'SSE_ERR_SERIALIZE' }, event)
    }
    emitter.complete()
    return reply
  })
  t.strictSame(await dataOf(app), [['at', '"1970-01-01T00:00:00.000Z"'], ['long', '"long"']])
})

t.test('the data of an event with a schema of zod is checked and encoded by zod', async t => {
  const { app } = await build(t)
  app.setSerializerCompiler(serializerCompiler)
  app.get('/', { schema: { sse: { tick: z.object({ price: z.number() }) } } }, async (_request, reply) => {
    const emitter = reply.sse()
    await t.rejects(emitter.send({ price: 'high' }, { event: 'tick' }), { code: 'SSE_ERR_SERIALIZE' })
    await emitter.send({ price: 1, password: 'secret' }, { event: 'tick' })
    emitter.complete()
    return reply
  })
  t.strictSame(await dataOf(app), [['tick', '{"price":1}']])
})
