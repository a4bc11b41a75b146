import t from 'tap'
import * as testing from '../../plugin/testing/index.ts'

t.test('fastify-sse-emitter/testing exports brokerContract and injectSse', async t => {
  t.strictSame(Object.keys(testing), ['brokerContract', 'injectSse'])
})
