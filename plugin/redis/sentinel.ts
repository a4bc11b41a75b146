import type { TimerWheel } from '../base/timer-wheel.ts'
import { configuredAddresses, type CreateConnection } from './connection-factory.ts'
import { NodeDiscovery } from './node-discovery.ts'
import type { Address } from './node-redis.ts'
import type { RedisSettings, SentinelSettings } from './options.ts'

/**
 * Asks Sentinels for the address of the primary. If a Sentinel doesn't know of a failover yet, its answer leads to a
 * server that has become a replica. The `sync` script refuses to run there, and Sentinels are asked again.
 */
export function sentinelDiscovery (settings: RedisSettings, { name, username, password }: SentinelSettings, createConnection: CreateConnection, wheel: TimerWheel): NodeDiscovery<Address> {
  return new NodeDiscovery({
    seeds: configuredAddresses(settings),
    timeout: settings.timeout,
    wheel,
    // Sentinels have their own users, and no databases.
    createConnection: address => createConnection(address, { username, password, credentialsProvider: undefined, database: undefined }),
    ask: async client => {
      const primary = await client.call(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]) as [host: string, port: string] | null
      if (primary === null) throw new Error(`The Sentinel monitors no primary named ${name}`)
      return { host: primary[0], port: Number(primary[1]) }
    }
  })
}
