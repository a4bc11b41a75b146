import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import { connect, type SseConnection } from 'fastify-sse-emitter/client'
import { injectSse } from 'fastify-sse-emitter/testing'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { build, buildUnloaded } from '../fixtures/app.ts'
import { serve, status, text } from '../fixtures/connection.ts'
import { blocksOf, runBlock } from '../fixtures/doc-blocks.ts'

const DOCUMENT = 'docs/schemas.md'

t.test('the routes of the page on schemas send what its comments say', async t => {
  const { app } = await build(t)
  const commented = ['Events with schemas', 'Strings as JSON'].map(heading => blocksOf(DOCUMENT, heading)[0]!)
  for (const code of [...commented, ...blocksOf(DOCUMENT, 'Types')]) await runBlock(code, { app })
  for (const [index, url] of ['/prices', '/notes'].entries()) {
    const expected = Array.from(commented[index]!.matchAll(/\/\/ data:(.*)/g), ([, data]) => data!)
    t.equal(expected.length, 2)
    const stream = await injectSse(app, { url })
    t.strictSame((await stream.take(2)).map(({ data }) => data), expected, url)
    await stream.leave()
  }
  const ticks = await injectSse(app, { url: '/ticks' })
  t.match(await ticks.next(), { event: 'tick', data: '{"symbol":"ACME","price":42}' })
  await ticks.leave()
})

t.test('the channel of the page on schemas publishes through its schema', async t => {
  const { app } = await build(t)
  await runBlock(blocksOf(DOCUMENT, 'Channels')[0]!, { app })
  t.match((await app.sse.channel('ticks').replay()).entries, [{ event: 'tick', data: '{"symbol":"ACME","price":42}' }])
})

t.test('the setting of @fastify/swagger on the page on schemas describes events of zod', async t => {
  const { app } = buildUnloaded(t)
  await runBlock(blocksOf(DOCUMENT, 'OpenAPI')[0]!, { app })
  app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
  app.get('/', { schema: { sse: { tick: z.object({ price: z.number() }) } } }, async (_request, reply) => reply.sse())
  await app.ready()
  const { openapi, paths } = app.swagger() as any
  t.equal(openapi, '3.2.0')
  t.match(paths['/'].get.responses[200].content['text/event-stream'].itemSchema.oneOf, [{ properties: { data: { contentSchema: { properties: { price: { type: 'number' } } } } } }])
})

/** Runs an example of the page on the client until its connection is closed. @returns what it logs */
async function logged (t: Test, code: string): Promise<unknown[][]> {
  const { url } = await serve(t, [text('retry:1\nevent:tick\ndata:{"symbol":"ACME","price":42}\n\ndata:"hi"\n\n'), status(204)])
  const lines: unknown[][] = []
  let connection: SseConnection<unknown>
  const connectHere = (_url: string, options: any) => { return (connection = connect<any>(url, options)) }
  await runBlock(code, { console: { log: (...values: unknown[]) => { lines.push(values) } } }, { 'fastify-sse-emitter/client': { connect: connectHere } })
  t.equal(await connection!.closed, undefined)
  return lines
}

t.test('the examples of typed events on the page on the client receive parsed data', async t => {
  const [map, schemas] = blocksOf('docs/client.md', 'Typed events')
  t.strictSame(await logged(t, map!), [['ACME', 42], ['hi']])
  t.strictSame(await logged(t, schemas!), [['ACME', 42]])
})
