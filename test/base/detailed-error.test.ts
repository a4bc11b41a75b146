import { inspect } from 'node:util'
import t from 'tap'
import { createDetailedError } from '../../plugin/base/detailed-error.ts'
import { build } from '../fixtures/app.ts'

const INVALID = createDetailedError<[name: string]>('SSE_ERR_INVALID', '`%s` is invalid')
const UNAVAILABLE = createDetailedError('SSE_ERR_DOWN', 'It is down', 503, Error)

t.test('a detail and a cause follow the texts of the message', async t => {
  const cause = new Error('secret')
  t.match(new INVALID('a', 'received 5'), { code: 'SSE_ERR_INVALID', statusCode: 500, message: '`a` is invalid', detail: 'received 5' })
  t.notOk('detail' in new INVALID('a'))
  t.match(new UNAVAILABLE('at 10.0.0.1', { cause }), { statusCode: 503, message: 'It is down', detail: 'at 10.0.0.1', cause })
  t.ok(new INVALID('a') instanceof TypeError)
  t.ok(new INVALID('a') instanceof INVALID)
  t.notOk(new UNAVAILABLE() instanceof TypeError)
})

t.test('a log and util.inspect show the detail, and a response does not', async t => {
  const { app, logs } = await build(t)
  app.get('/', { preHandler: async () => { throw new INVALID('a', 'received "secret"') } }, async () => {})
  const { statusCode, body } = await app.inject('/')
  t.strictSame([statusCode, JSON.parse(body)], [500, { statusCode: 500, code: 'SSE_ERR_INVALID', error: 'Internal Server Error', message: '`a` is invalid' }])
  t.match(logs.filter(({ err }) => err !== undefined), [{ err: { message: '`a` is invalid', detail: 'received "secret"' } }])
  t.match(inspect(new INVALID('a', 'received 5')), /detail: 'received 5'/)
})
