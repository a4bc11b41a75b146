import swagger from '@fastify/swagger'
import { type FastifyInstance, type FastifySchema } from 'fastify'
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

t.test('data that does not match its schema is refused, and the stream continues', async t => {
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

t.test('schemas that are not an object are refused', async t => {
  const { app, logs } = await build(t)
  app.get('/', { schema: { sse: ['tick'] } }, async (_request, reply) => reply.sse())
  const { statusCode, body } = await app.inject('/')
  t.equal(statusCode, 500)
  t.match(JSON.parse(body), { code: 'SSE_ERR_OPTION' })
  t.match(logs.find(({ level }) => level >= WARN)?.err?.message, /`schema\.sse` must be an object of event types and schemas/)
})

/** Declares a route, and returns how the document of @fastify/swagger describes it. */
async function describe (t: Test, schema: FastifySchema & Record<string, unknown>, { transform }: { transform?: typeof jsonSchemaTransform } = {}): Promise<any> {
  const { app } = buildUnloaded(t)
  await app.register(swagger, { openapi: { openapi: '3.2.0' }, ...transform && { transform } })
  await app.after()
  if (transform !== undefined) app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  app.addSchema({ $id: 'tick', ...TICK })
  app.get('/', { schema }, async (_request, reply) => reply.sse())
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
          { type: 'object', properties: { data: data({ type: 'string' }) }, required: ['data'] }
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

t.test('documents describe events whose schemas are those of zod', async t => {
  const tick = z.object({ price: z.number() })
  const transform = sseTransform(jsonSchemaTransform)
  const { paths } = await describe(t, { sse: { tick, message: z.string() } }, { transform })
  t.strictSame(paths['/'].get.responses[200].content, content({ ...TICK, additionalProperties: false }))
  const plain = await describe(t, { response: { 200: z.string() } }, { transform })
  t.strictSame(Object.keys(plain.paths['/'].get.responses[200].content), ['application/json'], 'other routes are described as before')
  t.strictSame((await describe(t, { sse: { tick }, hide: true }, { transform })).paths, {}, 'hidden routes are not described')
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
