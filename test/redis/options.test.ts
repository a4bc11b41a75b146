import t from 'tap'
import { createClient } from '@redis/client'
import { redisBroker } from '../../plugin/redis/index.ts'
import { resolveRedisOptions } from '../../plugin/redis/options.ts'
import { detailed } from '../fixtures/detailed.ts'

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

t.test('by default, errors are emitted as warnings of the process', async t => {
  const warned = new Promise(resolve => { process.once('warning', resolve) })
  const error = new Error('Redis is down')
  resolveRedisOptions({}).onError(error)
  t.equal(await warned, error)
})

t.test('valid options are accepted', async t => {
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
  [null, 'The options of redisBroker() must be an object; received null'],
  [[], 'The options of redisBroker() must be an object; received an array'],
  ['redis://a', 'The options of redisBroker() must be an object; received "redis://a"'],
  [{ url: 1 }, 'Option `url` must be one or several URLs that begin with redis:// or rediss://; received a value of type number'],
  [{ url: '' }, 'Option `url` must be one or several URLs that begin with redis:// or rediss://; received a value of type string'],
  [{ url: 'http://localhost' }, 'Option `url` must be one or several URLs that begin with redis:// or rediss://; received a value of type string'],
  [{ url: [] }, 'Option `url` must be one or several URLs that begin with redis:// or rediss://; received an array'],
  [{ url: ['redis://a', 'b'], cluster: {} }, 'Option `url` must be one or several URLs that begin with redis:// or rediss://; received an array'],
  [{ url: ['redis://a', 'redis://b'] }, 'Option `url` must be a single URL unless `cluster` or `sentinel` is set; received 2'],
  [{ cluster: true }, 'Option `cluster` must be an object of options; received true'],
  [{ cluster: { partitions: 0 } }, 'Option `cluster.partitions` must be an integer from 1 to 1024; received 0'],
  [{ cluster: { partitions: 1_025 } }, 'Option `cluster.partitions` must be an integer from 1 to 1024; received 1025'],
  [{ cluster: { partitions: 1.5 } }, 'Option `cluster.partitions` must be an integer from 1 to 1024; received 1.5'],
  [{ cluster: { partitions: '3' } }, 'Option `cluster.partitions` must be an integer from 1 to 1024; received "3"'],
  [{ cluster: { sharded: 1 } }, 'Option `cluster.sharded` must be true or false; received 1'],
  [{ cluster: { nodes: 3 } }, 'Unknown option `cluster.nodes`; expected one of partitions, sharded'],
  [{ cluster: {}, sentinel: { name: 'main' } }, 'Options `cluster` and `sentinel` exclude each other; set only one of them'],
  [{ sentinel: {} }, 'Option `sentinel.name` is required'],
  [{ sentinel: { name: '' } }, 'Option `sentinel.name` must be a non-empty string; received ""'],
  [{ sentinel: { name: 'main', password: 1 } }, 'Option `sentinel.password` must be a non-empty string; received 1'],
  [{ sentinel: 'main' }, 'Option `sentinel` must be an object of options; received "main"'],
  [{ client: {} }, 'Option `client` must be a client of node-redis; received an object'],
  [{ client: null }, 'Option `client` must be a client of node-redis; received null'],
  [{ url: 'redis://a', client: { duplicate () {} } }, 'Options `url` and `client` exclude each other; set only one of them'],
  [{ prefix: 'a{b}' }, 'Option `prefix` must be a string without braces; received "a{b}"'],
  [{ prefix: 1 }, 'Option `prefix` must be a string without braces; received 1'],
  [{ timeout: 0 }, 'Option `timeout` must be a positive integer of milliseconds; received 0'],
  [{ probe: 0 }, 'Option `probe` must be a positive integer of milliseconds; received 0'],
  [{ maxReplays: 0 }, 'Option `maxReplays` must be a positive integer; received 0'],
  [{ maxWaiting: 1.5 }, 'Option `maxWaiting` must be a positive integer; received 1.5'],
  [{ maxPending: -1 }, 'Option `maxPending` must be a non-negative integer of bytes; received -1'],
  [{ wait: 1 }, 'Option `wait` must be an object of options; received 1'],
  [{ wait: null }, 'Option `wait` must be an object of options; received null'],
  [{ wait: { replicas: 0 } }, 'Option `wait.replicas` must be a positive integer; received 0'],
  [{ wait: { timeout: 0 } }, 'Option `wait.timeout` must be a positive integer of milliseconds; received 0'],
  [{ wait: { replica: 1 } }, 'Unknown option `wait.replica`; expected one of replicas, timeout'],
  [{ onError: 1 }, 'Option `onError` must be a function; received 1'],
  [{ hosts: [] }, /^Unknown option `hosts`; expected one of url, client, /],
  [{ constructor: 1 }, /^Unknown option `constructor`; expected one of url, client, /]
] as Array<[object, string | RegExp]>) {
  t.test(`the options ${JSON.stringify(options)} are rejected`, async t => {
    t.throws(() => redisBroker(options), { code: 'SSE_ERR_OPTION', ...typeof message === 'string' ? detailed(message) : { message } })
  })
}
