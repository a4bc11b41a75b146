import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SsePage, SsePublished, SsePublishing } from '../broker.ts'
import type { SsePayload } from '../entry.ts'
import { SSE_ERR_BROKER_CLOSED } from '../errors.ts'
import { Wheel } from '../wheel.ts'
import type { RedisClient, RedisConnection } from './connection.ts'
import { SSE_ERR_BROKER_BUSY } from './errors.ts'
import { Gate } from './gate.ts'
import { Keys } from './keys.ts'
import { Line, type LineOptions } from './line.ts'
import { RedisLog, stringifyPayload } from './log.ts'
import { resolveRedisOptions, type RedisBrokerOptions, type RedisSettings } from './options.ts'
import { Replicas } from './replicas.ts'
import { SCRIPTS } from './scripts.ts'
import { Tail } from './tail.ts'

/** Bytes that a publication takes beside its text, while it waits. */
const OVERHEAD = 512

/** A broker in Redis. */
export interface RedisBroker extends SseBroker {
  /**
   * Whether it has its connections to Redis, as far as it knows: one that is dead without a word is noticed after
   * `probe` and `timeout`. Whether Redis takes what is published, only publishing tells. Not so before the first
   * connection and after `close`.
   */
  readonly ready: boolean
}

/**
 * A broker in Redis: what is published here is heard by all processes with a broker on the same Redis, and outlives
 * them. It takes two connections, whatever there is to follow, and Redis 6.2 or later, not as a cluster.
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
  return new Broker(resolveRedisOptions(options))
}

class Broker implements RedisBroker {
  readonly shared = true
  readonly #commands: Line
  readonly #lines: Line[]
  readonly #log: RedisLog
  readonly #tail: Tail
  readonly #replicas: Replicas | undefined
  readonly #gate: Gate
  readonly #maxPending: number
  /** Bytes that are published and not answered. */
  #pending = 0
  #closed = false

  constructor (settings: RedisSettings) {
    const { prefix, probe, maxReplays, maxWaiting, maxPending, wait } = settings
    const keys = new Keys(prefix)
    const node = keys.node(randomUUID())
    const wheel = new Wheel()
    const create = connector(settings)
    const line = (prepare: LineOptions['prepare'], timeout = settings.timeout): Line => {
      return new Line({ create, timeout, wheel, prepare, onError: settings.onError })
    }
    const subscriber = line(() => this.#tail.prepare())
    this.#commands = line(async () => {
      await Promise.all(SCRIPTS.map(({ text }) => this.#commands.call(['SCRIPT', 'LOAD', text])))
      await this.#log.sync('', [])
    })
    this.#log = new RedisLog(keys, this.#commands, node, () => { this.#tail.resync() })
    this.#tail = new Tail({ keys, node, wheel, commands: this.#commands, subscriber, log: this.#log, probe, maxWaiting })
    this.#lines = [this.#commands, subscriber]
    if (wait !== undefined) {
      const waiter = line(async () => {}, settings.timeout + wait.timeout)
      this.#lines.push(waiter)
      this.#replicas = new Replicas(waiter, keys, wait)
    }
    this.#gate = new Gate(maxReplays, maxWaiting)
    this.#maxPending = maxPending
    this.#tail.begin()
  }

  get ready (): boolean {
    return this.#lines.every(({ isUp }) => isUp)
  }

  async publish (channel: string, payload: SsePayload, publishing: SsePublishing): Promise<SsePublished> {
    this.#assertOpen()
    const text = stringifyPayload(payload)
    const size = text.length + OVERHEAD
    if (this.#pending > 0 && this.#pending + size > this.#maxPending) throw new SSE_ERR_BROKER_BUSY()
    this.#pending += size
    try {
      await this.#commands.attempted
      this.#assertOpen()
      const published = await this.#log.publish(channel, text, payload, publishing)
      await this.#replicas?.confirm()
      return published
    } finally {
      this.#pending -= size
    }
  }

  async subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    this.#assertOpen()
    return await this.#tail.subscribe(channel, listener)
  }

  async replay (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    this.#assertOpen()
    return await this.#gate.run(() => this.#log.read(channel, after, count))
  }

  async close (): Promise<void> {
    this.#closed = true
    this.#tail.close()
    for (const line of this.#lines) line.close()
  }

  #assertOpen (): void {
    if (this.#closed) throw new SSE_ERR_BROKER_CLOSED()
  }
}

/** Makes connections that are still to be connected, and leave it to us to make others. @throws what is wrong with the URL */
function connector ({ url, client, timeout }: RedisSettings): () => RedisConnection {
  const pattern: RedisClient = client ?? createClient({ url })
  return () => pattern.duplicate({
    socket: { ...pattern.options?.socket, reconnectStrategy: false, connectTimeout: timeout },
    disableOfflineQueue: true,
    commandOptions: {}
  })
}
