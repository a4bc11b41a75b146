import t from 'tap'
import { createClient } from '@redis/client'
import { configuredAddresses, connectionFactory } from '../../plugin/redis/connection-factory.ts'
import { resolveRedisOptions, type RedisBrokerOptions } from '../../plugin/redis/options.ts'

const cluster = {}

/** The node-redis options of a new connection. */
function connectionOptions (options: RedisBrokerOptions, ...args: Parameters<ReturnType<typeof connectionFactory>>) {
  const createConnection = connectionFactory(resolveRedisOptions({ timeout: 50, ...options }))
  return (createConnection(...args) as ReturnType<typeof createClient>).options
}

t.test('a connection goes to the configured address and does not reconnect on its own', async t => {
  const url = 'redis://somebody:secret@[::1]:7000/3'
  for (const options of [{ url }, { client: createClient({ url }) }]) {
    t.match(connectionOptions(options), { username: 'somebody', password: 'secret', database: 3, socket: { host: '::1', port: 7_000, reconnectStrategy: false, connectTimeout: 50 }, disableOfflineQueue: true })
  }
})

t.test('a connection to another address keeps the other options', async t => {
  const url = 'rediss://somebody:secret@one:7000/3'
  for (const options of [{ url }, { client: createClient({ url }) }]) {
    t.match(connectionOptions(options, { host: 'other', port: 7_001 }), { url: undefined, username: 'somebody', password: 'secret', database: 3, socket: { host: 'other', port: 7_001, tls: true } })
    t.match(connectionOptions(options, { host: 'other', port: 7_001 }, { username: 'another' }), { username: 'another', password: 'secret' })
  }
  const client = createClient({ url: 'redis://one', socket: { keepAlive: false } })
  t.match(connectionOptions({ url: 'redis://two', client, cluster }, { host: 'other', port: 1 }), { socket: { keepAlive: false, host: 'other' } })
})

for (const [options, ...addresses] of [
  [{}, 'localhost:6379'],
  [{ url: 'redis://one' }, 'one:6379'],
  [{ url: ['redis://user:password@one:7000/1', 'rediss://[::1]:7001'] }, 'one:7000', '::1:7001'],
  [{ client: createClient() }, 'localhost:6379'],
  [{ client: createClient({ url: 'redis://one:7000' }) }, 'one:7000'],
  [{ client: { duplicate: () => createClient() } }, 'localhost:6379'],
  [{ client: createClient({ url: 'redis://one:7000' }), url: ['redis://two', 'redis://three'] }, 'two:6379', 'three:6379']
] as Array<[RedisBrokerOptions, ...string[]]>) {
  t.test(`the configured addresses are ${addresses.join(' and ')}`, async t => {
    t.strictSame(configuredAddresses(resolveRedisOptions({ ...options, cluster })).map(({ host, port }) => `${host}:${port}`), addresses)
  })
}
