import t from 'tap'
import * as redis from '../../plugin/redis/index.ts'

t.test('fastify-sse-emitter/redis exports the broker and its errors', async t => {
  t.strictSame(Object.keys(redis), ['errors', 'redisBroker'])
  t.strictSame(Object.keys(redis.errors), ['SSE_ERR_BROKER_BUSY', 'SSE_ERR_BROKER_UNAVAILABLE', 'SSE_ERR_BROKER_UNKNOWN'])
})
