import { randomUUID } from 'node:crypto'
import type { SseBroker, SseBrokerListener, SseBrokerSubscription, SsePage, SsePublished, SsePublishing } from '../channels/broker.ts'
import type { SsePayload } from '../wire/entry.ts'
import { SSE_ERR_BROKER_CLOSED } from '../base/errors.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Address } from './node-redis.ts'
import type { Connect } from './connection-factory.ts'
import { SSE_ERR_BROKER_BUSY } from './errors.ts'
import { Gate } from './concurrency-limiter.ts'
import { Keys } from './keys.ts'
import { Line, type LineOptions } from './reconnecting-client.ts'
import { RedisLog, stringifyPayload } from './redis-log.ts'
import type { RedisSettings } from './options.ts'
import { Replicas } from './replica-confirmation.ts'
import { SCRIPTS, SHARDED_SCRIPTS } from './lua-scripts.ts'
import { Tail } from './live-tail.ts'

/** Bytes that a publication takes beside its text, while it waits. */
const OVERHEAD = 512

/** Where a partition lies, and how it is reached. */
export interface Place {
  /** The hash tag of all its names. */
  readonly tag: string
  /** Whether it is heard from one shard of a cluster, by a pub/sub of its own. */
  readonly sharded: boolean
  readonly connect: Connect
  readonly wheel: TimerWheel
  /** Finds the process of Redis that has it; without it, `connect` does. */
  readonly locator?: { locate (): Promise<Address>, close (): void } | undefined
}

/** One log in Redis: its ids, its connections, its limits. */
export class Partition implements SseBroker {
  readonly shared = true
  readonly #commands: Line
  readonly #lines: Line[]
  readonly #log: RedisLog
  readonly #tail: Tail
  readonly #replicas: Replicas | undefined
  readonly #gate: Gate
  readonly #maxPending: number
  readonly #locator: Place['locator']
  /** Bytes that are published and not answered. */
  #pending = 0
  #closed = false

  constructor (settings: RedisSettings, { tag, sharded, connect, wheel, locator }: Place) {
    const { prefix, probe, maxReplays, maxWaiting, maxPending, wait } = settings
    const keys = new Keys(prefix, tag)
    const node = keys.node(randomUUID())
    const scripts = sharded ? SHARDED_SCRIPTS : SCRIPTS
    const locate = locator && (() => locator.locate())
    const line = (prepare: LineOptions['prepare'], timeout = settings.timeout): Line => {
      return new Line({ create: connect, locate, timeout, wheel, prepare, onError: settings.onError })
    }
    const subscriber = line(() => this.#tail.prepare())
    this.#commands = line(async () => {
      await Promise.all(Object.values(scripts).map(({ text }) => this.#commands.call(['SCRIPT', 'LOAD', text])))
      await this.#log.sync('', [])
    })
    this.#log = new RedisLog(keys, this.#commands, scripts, node, () => { this.#tail.resync() })
    this.#tail = new Tail({ keys, node, wheel, commands: this.#commands, subscriber, sharded, log: this.#log, probe, maxWaiting })
    this.#lines = [this.#commands, subscriber]
    if (wait !== undefined) {
      const waiter = line(async () => {}, settings.timeout + wait.timeout)
      this.#lines.push(waiter)
      this.#replicas = new Replicas(waiter, keys, wait)
    }
    this.#gate = new Gate(maxReplays, maxWaiting)
    this.#maxPending = maxPending
    this.#locator = locator
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
    this.#locator?.close()
  }

  #assertOpen (): void {
    if (this.#closed) throw new SSE_ERR_BROKER_CLOSED()
  }
}
