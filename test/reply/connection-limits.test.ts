import t from 'tap'
import { ConnectionLimits } from '../../plugin/reply/connection-limits.ts'
import { CONNECTION_DEFAULTS } from '../../plugin/reply/options.ts'

t.test('maxConnections limits all streams', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxConnections: 2 })
  limits.add(undefined)
  limits.add('a')
  t.throws(() => limits.add('b'), { code: 'SSE_ERR_FULL', statusCode: 503 })
  limits.remove('a')
  limits.add('b')
  t.throws(() => limits.add(undefined), { code: 'SSE_ERR_FULL' })
})

t.test('maxConnectionsPerKey limits the streams of each key, and not those without one', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxConnectionsPerKey: 2 })
  for (const key of ['a', 'a', 'b', undefined, undefined, undefined]) limits.add(key)
  t.throws(() => limits.add('a'), { code: 'SSE_ERR_FULL_FOR_KEY', statusCode: 429 })
  limits.add('b')
  limits.remove('a')
  limits.remove('a')
  limits.add('a')
  limits.add('a')
  t.throws(() => limits.add('a'), { code: 'SSE_ERR_FULL_FOR_KEY' })
})

t.test('a refused stream is not counted', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxConnections: 1, maxConnectionsPerKey: 1 })
  limits.add('a')
  for (let times = 0; times < 3; times++) t.throws(() => limits.add('a'))
  limits.remove('a')
  limits.add('a')
})

t.test('0 sets no limit', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxConnections: 0, maxConnectionsPerKey: 0 })
  t.doesNotThrow(() => { for (let count = 0; count < 20_000; count++) limits.add('a') })
})
