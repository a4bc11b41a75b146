import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Address } from './node-redis.ts'
import { addressesOf, type Connect } from './connection-factory.ts'
import { Locator } from './node-discovery.ts'
import type { RedisSettings, SentinelSettings } from './options.ts'

/**
 * Asks Sentinels where the primary is. Where one has not heard of a failover, and the process is a replica by now, that
 * refuses what it is asked (SYNC, in the scripts), and Sentinels are asked again.
 */
export function sentinelLocator (settings: RedisSettings, { name, username, password }: SentinelSettings, connect: Connect, wheel: TimerWheel): Locator<Address> {
  return new Locator({
    seeds: addressesOf(settings),
    timeout: settings.timeout,
    wheel,
    // A Sentinel has users of its own, and no databases.
    create: address => connect(address, { username, password, credentialsProvider: undefined, database: undefined }),
    ask: async line => {
      const found = await line.call(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]) as [host: string, port: string] | null
      if (found === null) throw new Error(`The Sentinel watches over no ${name}`)
      return { host: found[0], port: Number(found[1]) }
    }
  })
}
