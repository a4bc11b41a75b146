import { SSE_ERR_OPTION } from '../base/errors.ts'
import { anyFunction, boolean, integer, mustBe, nonEmptyString, type Check, type Checks, type Resolved } from '../base/option-checks.ts'
import { resolveOptions } from '../base/options.ts'
import type { RedisClient } from './node-redis.ts'

/** How many replicas must confirm an event. */
export interface RedisWait {
  /**
   * The number of replicas, at least 1.
   *
   * @default 1
   */
  readonly replicas?: number | undefined

  /**
   * Milliseconds to wait for them, at least 1.
   *
   * @default 1000
   */
  readonly timeout?: number | undefined
}

/** How channels are distributed over a Redis Cluster. */
export interface RedisCluster {
  /**
   * The number of partitions, 1 to 1024. A channel's name decides its partition. Each partition has ids, keys and two
   * connections of its own.
   *
   * Choose at least as many as there will ever be primaries: partitions are spread evenly over the slots, so that each
   * primary serves the same number. 12 can be divided among 2, 3, 4, 6 and 12 primaries. All brokers with the same prefix
   * must use the same number; changing it loses the history.
   *
   * @default 12
   */
  readonly partitions?: number | undefined

  /**
   * Whether to use sharded pub/sub (SPUBLISH and SSUBSCRIBE, Redis 7.0 or later): an event goes only to the shard of its
   * partition, so more nodes can handle more events. Without it, each event goes to every node.
   *
   * @default true
   */
  readonly sharded?: boolean | undefined
}

/** The primary that Sentinels monitor. */
export interface RedisSentinel {
  /** The name of the primary in the configuration of the Sentinels (`sentinel monitor <name> …`). */
  readonly name: string

  /**
   * The user name for Sentinels, which have other users than Redis. TLS is used for both or for neither.
   *
   * @default undefined
   */
  readonly username?: string | undefined

  /**
   * The password for Sentinels.
   *
   * @default undefined
   */
  readonly password?: string | undefined
}

/** The options of `redisBroker()`. */
export interface RedisBrokerOptions {
  /**
   * The URL of Redis: `redis://user:password@host:6379/0`, or `rediss:` for TLS. With `cluster`, the URLs of some nodes;
   * with `sentinel`, those of all Sentinels; one of them has to be reachable. Credentials, database and TLS of the first
   * URL apply to every Redis server.
   *
   * @default 'redis://localhost:6379'
   */
  readonly url?: string | readonly string[] | undefined

  /**
   * A client of node-redis (`createClient` of `@redis/client` or `redis`) to use instead of `url`, with any options that a
   * connection needs. The broker creates its own connections with `client.duplicate()`. The client need not be connected,
   * and the broker does not close it. With `cluster` or `sentinel` both options can be set; then only the hosts and ports
   * of `url` count.
   *
   * @default undefined
   */
  readonly client?: RedisClient | undefined

  /**
   * Set it if Redis is a cluster. A stream can then follow the channels of one partition only. As in Redis Cluster,
   * channels whose names have the same `{tag}` are in the same partition: `{tenant-1}:prices` and `{tenant-1}:news`.
   *
   * @default undefined
   */
  readonly cluster?: RedisCluster | undefined

  /**
   * Set it to find Redis through Sentinels.
   *
   * @default undefined
   */
  readonly sentinel?: RedisSentinel | undefined

  /**
   * The prefix of all keys and pub/sub channels in Redis, without braces, which Redis Cluster interprets. Brokers with the
   * same prefix share their channels, even in different databases of one Redis, because pub/sub has no databases.
   *
   * @default 'sse:'
   */
  readonly prefix?: string | undefined

  /**
   * Milliseconds to wait for a connection or a reply before the connection is replaced.
   *
   * @default 5000
   */
  readonly timeout?: number | undefined

  /**
   * Milliseconds between checks that published events are still received. A loss is noticed within twice this time.
   *
   * @default 3000
   */
  readonly probe?: number | undefined

  /**
   * The maximum number of histories that are read at once. Further replays wait.
   *
   * @default 16
   */
  readonly maxReplays?: number | undefined

  /**
   * The maximum number of replays that wait, and of subscriptions that wait. Another one is rejected with
   * SSE_ERR_BROKER_BUSY.
   *
   * @default 10000
   */
  readonly maxWaiting?: number | undefined

  /**
   * The maximum size of publications that await a reply, in bytes of their text plus 512 each. Another one is rejected
   * with SSE_ERR_BROKER_BUSY, unless it is the only one.
   *
   * @default 67108864
   */
  readonly maxPending?: number | undefined

  /**
   * Set it to make `publish` wait until replicas have the event (WAIT in Redis), so that it survives a failover to one of
   * them. Subscribers may receive it earlier. If too few replicas confirm in time, `publish` rejects with
   * SSE_ERR_BROKER_UNKNOWN. Requires a third connection.
   *
   * @default undefined (`publish` waits for the primary only)
   */
  readonly wait?: RedisWait | undefined

  /**
   * Called when a connection to Redis is lost or can't be established: once, until it is established or fails for another
   * reason. What it throws becomes a warning of the process.
   *
   * @default process.emitWarning
   */
  readonly onError?: ((error: Error) => void) | undefined
}

export type WaitSettings = Resolved<RedisWait>
export type ClusterSettings = Resolved<RedisCluster>
export type SentinelSettings = { readonly [Name in keyof RedisSentinel]-?: RedisSentinel[Name] }

export interface RedisSettings extends Resolved<Omit<RedisBrokerOptions, 'url' | 'client' | 'cluster' | 'sentinel' | 'wait'>> {
  /** Empty if the address is that of `client`. */
  readonly url: readonly string[]
  readonly client: RedisClient | undefined
  readonly cluster: ClusterSettings | undefined
  readonly sentinel: SentinelSettings | undefined
  readonly wait: WaitSettings | undefined
}

const DEFAULTS: RedisSettings = {
  url: ['redis://localhost:6379'],
  client: undefined,
  cluster: undefined,
  sentinel: undefined,
  prefix: 'sse:',
  timeout: 5_000,
  probe: 3_000,
  maxReplays: 16,
  maxWaiting: 10_000,
  maxPending: 64 * 1024 * 1024,
  wait: undefined,
  onError: error => { process.emitWarning(error) }
}

/** Checks an option whose value is an object of options. */
function nested<Settings extends object> (defaults: Settings, checks: Checks<Settings>): Check {
  return (value, option) => option.resolve(value, defaults, checks)
}

const cluster = nested<ClusterSettings>(
  { partitions: 12, sharded: true },
  { partitions: integer(1, '', '', 1_024), sharded: boolean }
)

const sentinel = nested<SentinelSettings>(
  { name: '', username: undefined, password: undefined },
  { name: nonEmptyString, username: nonEmptyString, password: nonEmptyString }
)

const wait = nested<WaitSettings>(
  { replicas: 1, timeout: 1_000 },
  { replicas: integer(1), timeout: integer(1, 'milliseconds') }
)

/** Messages don't show the value, because a URL may hold a password. */
const urls: Check = (value, option) => {
  const all: unknown[] = Array.isArray(value) ? value : [value]
  if (all.length > 0 && all.every(url => /^rediss?:\/\/./.test(String(url)))) return all
  return option.invalid('must be one or several URLs that begin with redis:// or rediss://', Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`)
}

const CHECKS: Checks<RedisSettings> = {
  url: urls,
  client: mustBe('a client of node-redis', value => typeof (value as RedisClient | null)?.duplicate === 'function'),
  cluster,
  sentinel,
  prefix: mustBe('a string without braces', value => typeof value === 'string' && !/[{}]/.test(value)),
  timeout: integer(1, 'milliseconds'),
  probe: integer(1, 'milliseconds'),
  maxReplays: integer(1),
  maxWaiting: integer(1),
  maxPending: integer(0, 'bytes'),
  wait,
  onError: anyFunction
}

/** @throws SSE_ERR_OPTION */
export function resolveRedisOptions (options: RedisBrokerOptions | undefined): RedisSettings {
  const settings = resolveOptions('redisBroker()', options, DEFAULTS, CHECKS)
  const { url, client, cluster, sentinel } = settings
  const usesDiscovery = cluster !== undefined || sentinel !== undefined
  if (options?.url !== undefined && client !== undefined && !usesDiscovery) throw new SSE_ERR_OPTION('Options `url` and `client` exclude each other; set only one of them')
  if (url.length > 1 && !usesDiscovery) throw new SSE_ERR_OPTION('Option `url` must be a single URL unless `cluster` or `sentinel` is set', `received ${url.length}`)
  if (cluster !== undefined && sentinel !== undefined) throw new SSE_ERR_OPTION('Options `cluster` and `sentinel` exclude each other; set only one of them')
  if (sentinel?.name === '') throw new SSE_ERR_OPTION('Option `sentinel.name` is required')
  return client === undefined || options?.url !== undefined ? settings : { ...settings, url: [] }
}
