import { inspect } from 'node:util'
import { isFunction, whole, type Check } from '../check.ts'
import { SSE_ERR_OPTION } from '../errors.ts'
import { checked } from '../options.ts'
import type { RedisClient } from './connection.ts'

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

export interface RedisBrokerOptions {
  /**
   * Where Redis is: `redis://user:password@host:6379/0`, with `rediss:` for TLS.
   *
   * @default 'redis://localhost:6379'
   */
  readonly url?: string | undefined

  /**
   * In place of `url`: a client of node-redis (`createClient` of the package `redis`), with whatever options a
   * connection needs. The broker makes its own connections by `client.duplicate()`; the client need not be connected,
   * and is not closed.
   *
   * @default undefined
   */
  readonly client?: RedisClient | undefined

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

type Given<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }

/** {@link RedisWait}, checked, defaults filled in. */
export type WaitSettings = Given<RedisWait>
/** Every option, checked, defaults filled in. */
export type RedisSettings = Given<Omit<RedisBrokerOptions, 'client' | 'wait'>> & { readonly client: RedisClient | undefined, readonly wait: WaitSettings | undefined }

const DEFAULTS: RedisSettings = {
  url: 'redis://localhost:6379',
  client: undefined,
  prefix: 'sse:',
  timeout: 5_000,
  probe: 3_000,
  maxReplays: 16,
  maxWaiting: 10_000,
  maxPending: 64 * 1024 * 1024,
  wait: undefined,
  onError: error => { process.emitWarning(error) }
}

function fail (name: string, rule: string, value: unknown): never {
  throw new SSE_ERR_OPTION(name, rule, inspect(value, { depth: 0 }))
}

const WAIT: WaitSettings = { replicas: 1, timeout: 1_000 }

const WAIT_CHECKS: Record<keyof RedisWait, Check> = { replicas: whole(1, ''), timeout: whole(1, 'ms') }

const CHECKS: Record<keyof RedisBrokerOptions, Check> = {
  url: (name, value) => /^rediss?:\/\/./.test(String(value)) ? value : fail(name, 'must begin with redis:// or rediss://', value),
  client: (name, value) => typeof (value as RedisClient | null)?.duplicate === 'function' ? value : fail(name, 'must be a client of node-redis', value),
  prefix: (name, value) => typeof value === 'string' && !/[{}]/.test(value) ? value : fail(name, 'must be a string without braces', value),
  timeout: whole(1, 'ms'),
  probe: whole(1, 'ms'),
  maxReplays: whole(1, ''),
  maxWaiting: whole(1, ''),
  maxPending: whole(0, 'bytes'),
  wait: (name, value) => typeof value === 'object' && value !== null ? checked(WAIT, value, WAIT_CHECKS) : fail(name, 'must be an object', value),
  onError: isFunction
}

/**
 * The broker's options with their defaults.
 *
 * @throws SSE_ERR_OPTION for a value that an option cannot have, and for a name that is none
 */
export function resolveRedisOptions (options: RedisBrokerOptions): RedisSettings {
  if (options.url !== undefined && options.client !== undefined) fail('client', 'takes the place of `url`: give one of them', options.client)
  return checked(DEFAULTS, options, CHECKS)
}
