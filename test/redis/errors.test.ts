import t from 'tap'
import { SSE_ERR_BROKER_BUSY, SSE_ERR_BROKER_UNAVAILABLE, SSE_ERR_BROKER_UNKNOWN } from '../../plugin/redis/errors.ts'

t.test('every error has its code, the status 503, and the reason in its detail', async t => {
  t.match(new SSE_ERR_BROKER_UNAVAILABLE('connect ECONNREFUSED'), { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503, message: 'Redis is unavailable', detail: 'connect ECONNREFUSED' })
  t.match(new SSE_ERR_BROKER_UNKNOWN('read ECONNRESET'), { code: 'SSE_ERR_BROKER_UNKNOWN', statusCode: 503, message: 'It is unknown whether Redis executed the command', detail: 'read ECONNRESET' })
  t.match(new SSE_ERR_BROKER_BUSY(), { code: 'SSE_ERR_BROKER_BUSY', statusCode: 503, message: 'Too many requests are waiting for Redis; try again later' })
})
