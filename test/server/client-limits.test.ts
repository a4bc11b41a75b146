import rateLimit from '@fastify/rate-limit'
import fastify from 'fastify'
import t from 'tap'
import { answerLimit } from '../../server/client-limits.ts'

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
