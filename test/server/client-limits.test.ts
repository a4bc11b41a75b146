import rateLimit from '@fastify/rate-limit'
import fastify from 'fastify'
import t from 'tap'
import { answerLimit, modelLimit } from '../../server/client-limits.ts'

t.test('the limit of answers applies to each route and address', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(rateLimit, { global: false })
  for (const url of ['/a', '/b']) app.post(url, { config: answerLimit(2) }, async () => 'answer')
  const statusOf = async (url: string, remoteAddress: string): Promise<number> => (await app.inject({ method: 'POST', url, remoteAddress })).statusCode
  t.strictSame([await statusOf('/a', '10.0.0.1'), await statusOf('/a', '10.0.0.1'), await statusOf('/a', '10.0.0.1')], [200, 200, 429])
  t.equal(await statusOf('/b', '10.0.0.1'), 200)
  t.equal(await statusOf('/a', '10.0.0.2'), 200)
})

t.test('the model is not limited for requests of this machine, but for those that its proxy forwards', async t => {
  const app = fastify({ trustProxy: '127.0.0.1' })
  t.teardown(() => app.close())
  await app.register(rateLimit, { global: false })
  app.get('/', { config: modelLimit() }, async () => 'answer')
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const statusOf = async (headers: Record<string, string>): Promise<number> => (await fetch(url, { headers })).status
  for (let count = 0; count < 101; count++) t.equal(await statusOf({}), 200)
  for (let count = 0; count < 100; count++) t.equal(await statusOf({ 'x-forwarded-for': '10.0.0.1' }), 200)
  t.equal(await statusOf({ 'x-forwarded-for': '10.0.0.1' }), 429)
  t.equal(await statusOf({ 'x-forwarded-for': '10.0.0.2' }), 200)
})
