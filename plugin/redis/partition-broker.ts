import { randomUUID } from 'node:crypto'
import { notify } from '../base/callbacks.ts'
import { SSE_ERR_BROKER_CLOSED, SSE_ERR_PRECONDITION } from '../base/errors.ts'
import { warnOf } from '../base/logging.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SsePage, SsePublished, SsePublishOptions } from '../channels/broker.ts'
import { stringifyPayload } from '../channels/payload-text.ts'
import { assertPayload, type SsePayload } from '../wire/entry.ts'
import { ConcurrencyLimiter } from './concurrency-limiter.ts'
import type { CreateConnection } from './connection-factory.ts'
import { SSE_ERR_BROKER_BUSY } from './errors.ts'
import { RedisKeys } from './keys.ts'
import { LiveTail } from './live-tail.ts'
import { SCRIPTS, SHARDED_SCRIPTS } from './lua-scripts.ts'
import type { Address } from './node-redis.ts'
import type { RedisSettings } from './options.ts'
import { ReconnectingClient, type ReconnectingClientOptions } from './reconnecting-client.ts'
import { RedisLog } from './redis-log.ts'
import { ReplicaConfirmation } from './replica-confirmation.ts'

/** Bytes that a pending publication takes in addition to its text. */
const PUBLICATION_OVERHEAD = 512

/** Where a partition is, and how to connect to it. */
export interface PartitionLocation {
  /** The hash tag of all its keys. */
  readonly hashTag: string
  /** Whether to use the sharded pub/sub of Redis Cluster. */
  readonly sharded: boolean
  readonly createConnection: CreateConnection
  readonly wheel: TimerWheel
  /** Finds the server to connect to; without it, the configured one is used. */
  readonly discovery?: { discover (): Promise<Address>, close (): void } | undefined
}

/** A broker for one partition: one log in Redis, with its own connections and limits. */
export class PartitionBroker implements SseBroker {
  readonly shared = true
  readonly #clients: ReconnectingClient[]
  readonly #commands: ReconnectingClient
  readonly #log: RedisLog
  readonly #tail: LiveTail
  readonly #replicas: ReplicaConfirmation | undefined
  readonly #replays: ConcurrencyLimiter
  readonly #maxPending: number
  readonly #discovery: PartitionLocation['discovery']
  /** Bytes of publications that Redis has not answered. */
  #pending = 0
  #closed = false

  constructor (settings: RedisSettings, { hashTag, sharded, createConnection, wheel, discovery }: PartitionLocation) {
    const { prefix, timeout, probe, maxReplays, maxWaiting, maxPending, wait } = settings
    const keys = new RedisKeys(prefix, hashTag)
    const markerChannel = keys.markerChannel(randomUUID())
    const scripts = sharded ? SHARDED_SCRIPTS : SCRIPTS
    const onError = (error: Error): void => { notify(settings.onError, [error], failure => { warnOf(failure, 'The callback `onError` of redisBroker() threw') }) }
    const findAddress = discovery && (() => discovery.discover())
    const connect = (prepare: ReconnectingClientOptions['prepare'], waiting = 0): ReconnectingClient => {
      return new ReconnectingClient({ createConnection, findAddress, timeout: timeout + waiting, wheel, prepare, onError })
    }
    const subscriber = connect(() => this.#tail.prepare())
    this.#commands = connect(async () => {
      await Promise.all(Object.values(scripts).map(({ source }) => this.#commands.call(['SCRIPT', 'LOAD', source])))
      await this.#log.sync('', [])
    })
    this.#log = new RedisLog(keys, this.#commands, scripts, markerChannel, () => { this.#tail.recover() })
    this.#tail = new LiveTail({ keys, markerChannel, wheel, commands: this.#commands, subscriber, sharded, log: this.#log, probe, maxWaiting })
    this.#clients = [this.#commands, subscriber]
    if (wait !== undefined) {
      const client = connect(async () => {}, wait.timeout)
      this.#clients.push(client)
      this.#replicas = new ReplicaConfirmation(client, keys, wait)
    }
    this.#replays = new ConcurrencyLimiter(maxReplays, maxWaiting)
    this.#maxPending = maxPending
    this.#discovery = discovery
    this.#tail.start()
  }

  get ready (): boolean {
    return this.#clients.every(({ isReady }) => isReady)
  }

  async publish (channel: string, payload: SsePayload, options: SsePublishOptions): Promise<SsePublished> {
    this.#assertOpen()
    assertPayload(payload)
    const text = stringifyPayload(payload)
    const size = text.length + PUBLICATION_OVERHEAD
    if (this.#pending > 0 && this.#pending + size > this.#maxPending) throw new SSE_ERR_BROKER_BUSY()
    this.#pending += size
    try {
      await this.#commands.firstAttempt
      this.#assertOpen()
      return await this.#publishConfirmed(channel, text, payload, options)
    } finally {
      this.#pending -= size
    }
  }

  async #publishConfirmed (channel: string, text: string, payload: SsePayload, options: SsePublishOptions): Promise<SsePublished> {
    try {
      const published = await this.#log.publish(channel, text, payload, options)
      await this.#replicas?.confirm()
      return published
    } catch (error) {
      // The other event may be this one, published by an attempt that the replicas did not confirm.
      if (error instanceof SSE_ERR_PRECONDITION) await this.#replicas?.confirm()
      throw error
    }
  }

  async subscribe (channel: string, listener: SseBrokerListener): Promise<SseBrokerSubscription> {
    this.#assertOpen()
    return await this.#tail.subscribe(channel, listener)
  }

  async replay (channel: string, after: string | undefined, count: number): Promise<SsePage> {
    this.#assertOpen()
    return await this.#replays.run(() => this.#log.read(channel, after, count))
  }

  async close (): Promise<void> {
    this.#closed = true
    this.#tail.close()
    for (const client of this.#clients) client.close()
    this.#discovery?.close()
  }

  #assertOpen (): void {
    if (this.#closed) throw new SSE_ERR_BROKER_CLOSED()
  }
}
