import t from 'tap'
import { ConnectionLimits, type Counted } from '../../plugin/reply/connection-limits.ts'
import { CONNECTION_DEFAULTS } from '../../plugin/reply/options.ts'

const stream = (key?: string, session?: object): Counted => ({ key, session })

t.test('maxConnections limits all streams', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxConnections: 2 })
  limits.add(stream())
  limits.add(stream('a'))
  t.throws(() => limits.add(stream('b')), { code: 'SSE_ERR_FULL', statusCode: 503 })
  limits.remove(stream('a'))
  limits.add(stream('b'))
  t.throws(() => limits.add(stream()), { code: 'SSE_ERR_FULL' })
})

t.test('maxConnectionsPerKey limits the streams of each key, and not those without one', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxConnectionsPerKey: 2 })
  for (const key of ['a', 'a', 'b', undefined, undefined, undefined]) limits.add(stream(key))
  t.throws(() => limits.add(stream('a')), { code: 'SSE_ERR_FULL_FOR_KEY', statusCode: 429 })
  limits.add(stream('b'))
  limits.remove(stream('a'))
  limits.remove(stream('a'))
  limits.add(stream('a'))
  limits.add(stream('a'))
  t.throws(() => limits.add(stream('a')), { code: 'SSE_ERR_FULL_FOR_KEY' })
})

t.test('a refused stream is not counted', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxConnections: 1, maxConnectionsPerKey: 1 })
  limits.add(stream('a'))
  for (let times = 0; times < 3; times++) t.throws(() => limits.add(stream('a')))
  limits.remove(stream('a'))
  limits.add(stream('a'))
})

t.test('0 sets no limit', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxConnections: 0, maxConnectionsPerKey: 0 })
  t.doesNotThrow(() => { for (let count = 0; count < 20_000; count++) limits.add(stream('a')) })
})

t.test('maxStreamsPerConnection limits the streams of each HTTP/2 connection', async t => {
  const limits = new ConnectionLimits({ ...CONNECTION_DEFAULTS, maxStreamsPerConnection: 2 })
  const [first, second] = [{}, {}]
  for (const session of [first, first, second, undefined, undefined, undefined]) limits.add(stream('a', session))
  t.throws(() => limits.add(stream('a', first)), { code: 'SSE_ERR_FULL_FOR_CONNECTION', statusCode: 429 })
  limits.add(stream('a', second))
  t.throws(() => limits.add(stream('a', second)), { code: 'SSE_ERR_FULL_FOR_CONNECTION' })
  limits.remove(stream('a', first))
  limits.add(stream('a', first))
})
