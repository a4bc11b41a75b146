import { anyFunction, boolean, integer, must, nonEmptyString, type Check, type Checks, type Resolved } from '../base/option-checks.ts'
import { resolveOptions } from '../base/options.ts'
import { SSE_ERR_OPTION } from '../base/errors.ts'
import type { RedisClient } from './node-redis.ts'

/** How many replicas have to have what is published. */
export interface RedisWait {
  /**
   * At least 1.
   *
   * @default 1
   */
  readonly replicas?: number | undefined

  /**
   * Milliseconds, at least 1.
   *
   * @default 1000
   */
  readonly timeout?: number | undefined
}

/** How channels are divided among the nodes of a Redis Cluster. */
export interface RedisCluster {
  /**
   * Parts into which channels are divided by their names, each with ids, keys and two connections of its own. Part
   * number i of n lies in the middle of the i-th n-th of the slots, so that n primaries have one each. All brokers of
   * one prefix have to have the same number, and with another number channels are elsewhere, without what they had: so
   * it is to be as many as there will ever be primaries. 12 divide evenly among 2, 3, 4, 6 and 12. 1 to 1024.
   *
   * @default 12
   */
  readonly partitions?: number | undefined

  /**
   * Whether what is published is heard by the shard of its partition only (SPUBLISH and SSUBSCRIBE, from Redis 7.0), so
   * that a cluster takes more the more nodes it has. If not, each event goes to every node.
   *
   * @default true
   */
  readonly sharded?: boolean | undefined
}

/** Whom Sentinels are asked for. */
export interface RedisSentinel {
  /** The name of the primary in their configuration (`sentinel monitor <name> …`). */
  readonly name: string

  /**
   * The user that Sentinels know, who is another than that of Redis. Where Redis takes TLS, they have to as well.
   *
   * @default undefined
   */
  readonly username?: string | undefined

  /**
   * The password that Sentinels want.
   *
   * @default undefined
   */
  readonly password?: string | undefined
}

export interface RedisBrokerOptions {
  /**
   * Where Redis is: `redis://user:password@host:6379/0`, with `rediss:` for TLS. With `cluster`, nodes of it; with
   * `sentinel`, all Sentinels; there may be several, of which one has to answer. What the first says beside host and
   * port goes for all of Redis.
   *
   * @default 'redis://localhost:6379'
   */
  readonly url?: string | readonly string[] | undefined

  /**
   * In place of `url`: a client of node-redis (`createClient` of the package `redis`), with whatever options a
   * connection needs. The broker makes its own connections by `client.duplicate()`; the client need not be connected,
   * and is not closed. With `cluster` or `sentinel` there may be both; then of `url` only hosts and ports count.
   *
   * @default undefined
   */
  readonly client?: RedisClient | undefined

  /**
   * That Redis is a cluster. One stream then follows channels of one partition only, and channels are of one if their
   * names have the same `{tag}`, as keys of Redis Cluster: `{tenant-1}:prices` and `{tenant-1}:news`.
   *
   * @default undefined
   */
  readonly cluster?: RedisCluster | undefined

  /**
   * That Sentinels say where Redis is.
   *
   * @default undefined
   */
  readonly sentinel?: RedisSentinel | undefined

  /**
   * What the names of all keys and channels in Redis begin with. Brokers with the same prefix share their channels, in
   * whatever database of one Redis they are: pub/sub has no databases. No braces, which are for Redis Cluster.
   *
   * @default 'sse:'
   */
  readonly prefix?: string | undefined

  /**
   * Milliseconds that Redis may take to connect and to answer. Then the connection is given up and made again.
   *
   * @default 5000
   */
  readonly timeout?: number | undefined

  /**
   * Milliseconds after which the broker looks whether it still hears what is published. That it does not is known
   * after twice this time.
   *
   * @default 3000
   */
  readonly probe?: number | undefined

  /**
   * Histories that are read at once. Others wait.
   *
   * @default 16
   */
  readonly maxReplays?: number | undefined

  /**
   * Readings of histories and subscriptions that may wait, for Redis or for their turn. One more is refused with
   * SSE_ERR_BROKER_BUSY.
   *
   * @default 10000
   */
  readonly maxWaiting?: number | undefined

  /**
   * Bytes of publications that Redis has not answered yet, each counted with 512 bytes more. One that would make it
   * more is refused with SSE_ERR_BROKER_BUSY, unless it is alone.
   *
   * @default 67108864
   */
  readonly maxPending?: number | undefined

  /**
   * Have `publish` wait until so many replicas have the event (WAIT of Redis), so that it survives a failover to one of
   * them. Subscribers may have it before. Where too few confirm in time, `publish` rejects with SSE_ERR_BROKER_UNKNOWN.
   * Takes a third connection.
   *
   * @default undefined (Redis has it when the primary has)
   */
  readonly wait?: RedisWait | undefined

  /**
   * Called when a connection to Redis is lost or cannot be made: once, until it is there again or the reason is another.
   * Must not throw.
   *
   * @default process.emitWarning
   */
  readonly onError?: ((error: Error) => void) | undefined
}

/** {@link RedisWait}, checked, defaults filled in. */
export type WaitSettings = Resolved<RedisWait>
/** {@link RedisCluster}, checked, defaults filled in. */
export type ClusterSettings = Resolved<RedisCluster>
/** {@link RedisSentinel}, checked. */
export type SentinelSettings = { readonly [Name in keyof RedisSentinel]-?: RedisSentinel[Name] }

/** Every option, checked, defaults filled in. */
export interface RedisSettings extends Resolved<Omit<RedisBrokerOptions, 'url' | 'client' | 'cluster' | 'sentinel' | 'wait'>> {
  /** Empty if `client` is set. */
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

/** An option whose value is an object of options. */
function group<Settings extends object> (defaults: Settings, checks: Checks<Settings>): Check {
  return (value, option) => option.resolve(value, defaults, checks)
}

const wait = group<WaitSettings>({ replicas: 1, timeout: 1_000 }, { replicas: integer(1), timeout: integer(1, 'milliseconds') })

const cluster = group<ClusterSettings>({ partitions: 12, sharded: true }, { partitions: integer(1, '', '', 1_024), sharded: boolean })

const sentinel = group<SentinelSettings>({ name: '', username: undefined, password: undefined }, {
  name: nonEmptyString,
  username: nonEmptyString,
  password: nonEmptyString
})

const urls: Check = (value, option) => {
  const all: unknown[] = Array.isArray(value) ? value : [value]
  if (all.length > 0 && all.every(url => /^rediss?:\/\/./.test(String(url)))) return all
  return option.invalid('must begin with redis:// or rediss://', typeof value)
}

const CHECKS: Checks<RedisSettings> = {
  url: urls,
  client: must('a client of node-redis', value => typeof (value as RedisClient | null)?.duplicate === 'function'),
  prefix: must('a string without braces', value => typeof value === 'string' && !/[{}]/.test(value)),
  timeout: integer(1, 'milliseconds'),
  probe: integer(1, 'milliseconds'),
  maxReplays: integer(1),
  maxWaiting: integer(1),
  maxPending: integer(0, 'bytes'),
  cluster,
  sentinel,
  wait,
  onError: anyFunction
}

/** @throws SSE_ERR_OPTION */
export function resolveRedisOptions (options: RedisBrokerOptions | undefined): RedisSettings {
  const settings = resolveOptions('redisBroker()', options, DEFAULTS, CHECKS)
  const { url, client, cluster, sentinel } = settings
  const located = cluster !== undefined || sentinel !== undefined
  if (options?.url !== undefined && client !== undefined && !located) throw new SSE_ERR_OPTION('Options `url` and `client` exclude each other; set only one of them')
  if (url.length > 1 && !located) throw new SSE_ERR_OPTION('Option `url` may be an array only with `cluster` or `sentinel`')
  if (cluster !== undefined && sentinel !== undefined) throw new SSE_ERR_OPTION('Options `cluster` and `sentinel` exclude each other; set only one of them')
  if (sentinel?.name === '') throw new SSE_ERR_OPTION('Option `sentinel.name` is required')
  return client === undefined || options?.url !== undefined ? settings : { ...settings, url: [] }
}
