import type { SseBroker } from '../channels/broker.ts'
import { TimerWheel } from '../base/timer-wheel.ts'
import { Cluster } from './cluster-broker.ts'
import { connector } from './connection-factory.ts'
import { resolveRedisOptions, type RedisBrokerOptions } from './options.ts'
import { Partition } from './partition-broker.ts'
import { sentinelLocator } from './sentinel.ts'

/** The hash tag where there is but one partition. */
const TAG = '0'

/** A broker in Redis. */
export interface RedisBroker extends SseBroker {
  /**
   * Whether it has its connections to Redis, as far as it knows: one that is dead without a word is noticed after
   * `probe` and `timeout`. Whether Redis takes what is published, only publishing tells. Not so before the first
   * connection and after `close`. In a cluster, whether it has those of all partitions.
   */
  readonly ready: boolean
}

/**
 * A broker in Redis: what is published here is heard by all processes with a broker on the same Redis, and outlives
 * them. It takes two connections, whatever there is to follow, and in a cluster two for each partition; and Redis 6.2 or
 * later, 7.0 for the sharded pub/sub of a cluster.
 *
 * In Redis, a channel takes about 160 bytes (with a name of 40) while it is remembered: until its history has expired,
 * and for ten minutes more. A history takes 4.7 KB at least, which is a block of a stream (`stream-node-max-bytes` makes
 * it less), and 50 bytes beside the text of each event; an idempotency key takes 200 bytes for ten minutes. Redis must
 * not evict what it is given (`maxmemory-policy noeviction`, its default): evicted histories and channels are told to
 * who follows them, but what has an idempotency key might be published twice.
 *
 * @throws SSE_ERR_OPTION for an option with a value it cannot have
 */
export function redisBroker (options: RedisBrokerOptions = {}): RedisBroker {
  const settings = resolveRedisOptions(options)
  const { cluster, sentinel } = settings
  const connect = connector(settings)
  const wheel = new TimerWheel()
  if (cluster !== undefined) return new Cluster(settings, cluster, connect, wheel)
  const locator = sentinel && sentinelLocator(settings, sentinel, connect, wheel)
  return new Partition(settings, { tag: TAG, sharded: false, connect, wheel, locator })
}
