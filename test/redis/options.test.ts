import t from 'tap'
import { createClient } from 'redis'
import { redisBroker } from '../../plugin/redis/index.ts'
import { resolveRedisOptions } from '../../plugin/redis/options.ts'

t.test('every option has a default', async t => {
  const { onError, ...settings } = resolveRedisOptions({})
  t.strictSame(settings, {
    url: ['redis://localhost:6379'],
    client: undefined,
    cluster: undefined,
    sentinel: undefined,
    prefix: 'sse:',
    timeout: 5_000,
    probe: 3_000,
    maxReplays: 16,
    maxWaiting: 10_000,
    maxPending: 67_108_864,
    wait: undefined
  })
  t.strictSame(resolveRedisOptions({ wait: {} }).wait, { replicas: 1, timeout: 1_000 })
  t.strictSame(resolveRedisOptions({ cluster: {} }).cluster, { partitions: 12, sharded: true })
  t.strictSame(resolveRedisOptions({ sentinel: { name: 'main' } }).sentinel, { name: 'main', username: undefined, password: undefined })
})

t.test('by default, what goes wrong is a warning of the process', async t => {
  const warned = new Promise(resolve => { process.once('warning', resolve) })
  const error = new Error('Redis is away')
  resolveRedisOptions({}).onError(error)
  t.equal(await warned, error)
})

t.test('options that make sense are taken', async t => {
  const client = createClient()
  const onError = (): void => {}
  const url = ['redis://a', 'redis://b']
  t.strictSame(resolveRedisOptions({ url: 'rediss://user:password@host:6380/1' }).url, ['rediss://user:password@host:6380/1'])
  t.strictSame(resolveRedisOptions({ client }).url, [])
  for (const options of [
    { url, cluster: { partitions: 1_024, sharded: false } }, { url, sentinel: { name: 'main', username: 'a', password: 'b' } }, { url, client, cluster: {} },
    { url: ['redis://a'] }, { client }, { prefix: '' }, { wait: { replicas: 2, timeout: 50 } }, { onError }, { maxPending: 0 }
  ]) {
    t.match(resolveRedisOptions(options), options)
  }
})

for (const [options, message] of [
  [{ url: '' }, 'Option `url` must begin with redis:// or rediss://, got \'\''],
  [{ url: 'http://localhost' }, 'Option `url` must begin with redis:// or rediss://, got \'http://localhost\''],
  [{ url: [] }, 'Option `url` must begin with redis:// or rediss://, got []'],
  [{ url: ['redis://a', 'b'], cluster: {} }, 'Option `url` must begin with redis:// or rediss://, got [ \'redis://a\', \'b\' ]'],
  [{ url: ['redis://a', 'redis://b'] }, /Option `url` may be several with `cluster` or `sentinel` only/],
  [{ cluster: true }, 'Option `cluster` must be an object, got true'],
  [{ cluster: { partitions: 0 } }, 'Option `partitions` must be a whole number from 1 to 1024, got 0'],
  [{ cluster: { partitions: 1_025 } }, /Option `partitions` must be a whole number from 1 to 1024/],
  [{ cluster: { partitions: 1.5 } }, /Option `partitions` must be a whole number from 1 to 1024/],
  [{ cluster: { partitions: '3' } }, /Option `partitions` must be a whole number from 1 to 1024/],
  [{ cluster: { sharded: 1 } }, /Option `sharded` must be true or false/],
  [{ cluster: { nodes: 3 } }, /Option `nodes` is not an option here/],
  [{ cluster: {}, sentinel: { name: 'main' } }, /Option `sentinel` is for a Redis that is no cluster: give one of them/],
  [{ sentinel: {} }, 'Option `sentinel.name` must be given, got undefined'],
  [{ sentinel: { name: '' } }, /Option `name` must be a non-empty string/],
  [{ sentinel: { name: 'main', password: 1 } }, /Option `password` must be a non-empty string/],
  [{ sentinel: 'main' }, 'Option `sentinel` must be an object, got \'main\''],
  [{ client: {} }, 'Option `client` must be a client of node-redis, got {}'],
  [{ client: null }, 'Option `client` must be a client of node-redis, got null'],
  [{ url: 'redis://a', client: { duplicate: 1 } }, /Option `client` takes the place of `url`: give one of them/],
  [{ prefix: 'a{b}' }, 'Option `prefix` must be a string without braces, got \'a{b}\''],
  [{ prefix: 1 }, 'Option `prefix` must be a string without braces, got 1'],
  [{ timeout: 0 }, /Option `timeout` must be a whole number of ms from 1/],
  [{ probe: 0 }, /Option `probe` must be a whole number of ms from 1/],
  [{ maxReplays: 0 }, /Option `maxReplays` must be a whole number from 1/],
  [{ maxWaiting: 1.5 }, /Option `maxWaiting` must be a whole number from 1/],
  [{ maxPending: -1 }, /Option `maxPending` must be a whole number of bytes from 0/],
  [{ wait: 1 }, 'Option `wait` must be an object, got 1'],
  [{ wait: null }, 'Option `wait` must be an object, got null'],
  [{ wait: { replicas: 0 } }, /Option `replicas` must be a whole number from 1/],
  [{ wait: { timeout: 0 } }, /Option `timeout` must be a whole number of ms from 1/],
  [{ wait: { replica: 1 } }, /Option `replica` is not an option here/],
  [{ onError: 1 }, /Option `onError` must be a function/],
  [{ hosts: [] }, /Option `hosts` is not an option here/]
] as Array<[object, string | RegExp]>) {
  t.test(`${JSON.stringify(options)} is refused`, async t => {
    t.throws(() => redisBroker(options), { code: 'SSE_ERR_OPTION', message })
  })
}
