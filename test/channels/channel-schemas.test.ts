import { serializerCompiler } from 'fastify-type-provider-zod'
import t from 'tap'
import { z } from 'zod'
import { build } from '../fixtures/app.ts'

const TICK = { type: 'object', properties: { price: { type: 'number' } }, required: ['price'] }

t.test('a channel publishes only what its schemas name', async t => {
  const { app } = await build(t)
  app.addSchema({ $id: 'tick', ...TICK })
  const prices = app.sse.channel('prices', { schema: { tick: { $ref: 'tick#' }, message: { type: 'string' } } })
  await prices.publish({ price: 1, password: 'secret' }, { event: 'tick' })
  await prices.publish({ price: 2, password: 'secret' }, { event: 'tick', idempotencyKey: 'k' })
  await prices.publish('text')
  await t.rejects(prices.publish({ price: 'high' }, { event: 'tick' }), { code: 'SSE_ERR_SERIALIZE' })
  const { entries } = await prices.replay()
  t.strictSame(entries.map(({ event, data }) => [event, data]), [['tick', '{"price":1}'], ['tick', '{"price":2}'], [undefined, '"text"']])
})

t.test('schemas are compiled once, by the option serializerCompiler or by that of the application', async t => {
  const { app } = await build(t)
  const schema = { tick: z.object({ price: z.number() }) }
  let calls = 0
  const counting: typeof serializerCompiler = route => {
    calls++
    return serializerCompiler(route)
  }
  const prices = () => app.sse.channel('prices', { schema, serializerCompiler: counting })
  await prices().publish({ price: 1 }, { event: 'tick' })
  await prices().publish({ price: 2 }, { event: 'tick' })
  t.equal(calls, 1)
  app.setSerializerCompiler(serializerCompiler)
  const { id } = await app.sse.channel('prices', { schema }).publish({ price: 3 }, { event: 'tick' })
  t.equal((await prices().replay()).entries.find(entry => entry.id === id)?.data, '{"price":3}')
})

t.test('invalid schemas are rejected', async t => {
  const { app } = await build(t)
  t.throws(() => app.sse.channel('prices', { schema: ['tick'] as never }), { code: 'SSE_ERR_OPTION' })
  t.throws(() => app.sse.channel('prices', { schema: {}, serializerCompiler: {} as never }), { code: 'SSE_ERR_OPTION' })
  t.throws(() => app.sse.channel('prices', { schema: { '': TICK } }), { code: 'SSE_ERR_OPTION' })
  t.throws(() => app.sse.channel('prices', { schema: { tick: { $ref: 'missing#' } } }), { code: 'SSE_ERR_OPTION', message: 'The schema of the event `tick` cannot be compiled' })
})
