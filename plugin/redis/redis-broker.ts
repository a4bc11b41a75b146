import { TimerWheel } from '../base/timer-wheel.ts'
import type { SseBroker } from '../channels/broker.ts'
import { ClusterBroker } from './cluster-broker.ts'
import { connectionFactory } from './connection-factory.ts'
import { resolveRedisOptions, type RedisBrokerOptions } from './options.ts'
import { PartitionBroker } from './partition-broker.ts'
import { sentinelDiscovery } from './sentinel.ts'

/** The hash tag of the only partition outside of a cluster. */
const HASH_TAG = '0'

/** A broker that keeps channels in Redis. */
export interface RedisBroker extends SseBroker {
  /**
   * Whether the broker has all its connections to Redis, in a cluster those of every partition; false before it has
   * connected and after `close`. A connection that dies silently is noticed after `probe` and `timeout`. Whether Redis
   * accepts events is only known from publishing.
   */
  readonly ready: boolean
}

/**
 * Creates a broker that keeps channels in Redis. Every process with a broker on the same Redis receives what is published,
 * and history outlives the processes. The broker opens two connections, however many channels are followed; in a cluster,
 * two per partition. It requires Redis 6.2 or later, or 7.0 for the sharded pub/sub of a cluster.
 *
 * In Redis, a channel (with a name of 40 characters) takes about 160 bytes until ten minutes after its history has
 * expired. A history takes at least 4.7 KB, which is one block of a stream (`stream-node-max-bytes` makes blocks smaller),
 * and 50 bytes per event in addition to its text. An idempotency key takes 200 bytes for ten minutes. Keep Redis from
 * evicting keys (`maxmemory-policy noeviction`, its default): subscribers are notified of evicted histories and channels,
 * but an event whose idempotency key was evicted may be published twice.
 *
 * @throws SSE_ERR_OPTION for an unknown option or an invalid value
 */
export function redisBroker (options: RedisBrokerOptions = {}): RedisBroker {
  const settings = resolveRedisOptions(options)
  const { cluster, sentinel } = settings
  const createConnection = connectionFactory(settings)
  const wheel = new TimerWheel()
  if (cluster !== undefined) return new ClusterBroker(settings, cluster, createConnection, wheel)
  const discovery = sentinel && sentinelDiscovery(settings, sentinel, createConnection, wheel)
  return new PartitionBroker(settings, { hashTag: HASH_TAG, sharded: false, createConnection, wheel, discovery })
}
