import type { Server } from 'node:http'
import type { Http2Server } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyReply } from 'fastify'
import { acceptsEventStream } from './reply/accept.ts'
import type { SseBroker } from './channels/broker.ts'
import { LinkedList } from './base/linked-list.ts'
import { Channel, type SseChannel } from './channels/channel.ts'
import { Deferred } from './base/deferred.ts'
import type { Emitter } from './stream/emitter.ts'
import { SSE_ERR_FULL, SSE_ERR_FULL_FOR_KEY, SSE_ERR_NOT_ACCEPTABLE } from './base/errors.ts'
import type { SsePayload } from './wire/entry.ts'
import { encode, type SseFields } from './wire/event.ts'
import { assertFresh, setReplyStream } from './reply/handler.ts'
import { setStreamHeaders } from './reply/headers.ts'
import { ReplyStream, type ReplyStreamOwner } from './reply/reply-stream.ts'
import { memoryBroker } from './channels/memory-broker.ts'
import { resolveChannelOptions, type SseChannelOptions } from './channels/options.ts'
import type { PluginSettings } from './hub-options.ts'
import { resolveStreamOptions, type SseStreamOptions } from './reply/options.ts'
import { payloadOf } from './channels/payload.ts'
import { Runs, type SseRuns } from './runs/runs.ts'
import { RunRegistry } from './runs/run-registry.ts'
import type { SseStream } from './stream/sse-emitter.ts'
import { Topics } from './channels/topics.ts'
import { TimerWheel } from './base/timer-wheel.ts'

/** The pause before a reconnect, in milliseconds, where the application has set none: what browsers take by themselves. */
const RETRY = 3_000

/** All streams of one application: `app.sse`. */
export interface SseHub {
  /** How many streams there are, from `reply.sse()` until their connection is over. */
  readonly size: number
  /** A snapshot of them. */
  list (): SseStream[]
  /**
   * Ends streams with the reason `kicked`, after what was sent to them.
   *
   * @param match which of them; all by default
   * @returns how many were ended
   */
  close (match?: (stream: SseStream) => boolean): number
  /**
   * A channel to publish to and to follow.
   *
   * @typeParam Events the data of each type of event
   * @param name 1 to 255 characters, no control characters
   * @param options.history how much of what is published by this object is kept; by default 1,000 events, 10 minutes,
   *   8 MiB, whichever is less
   * @throws SSE_ERR_CHANNEL, SSE_ERR_OPTION
   */
  channel<Events = Record<string, unknown>> (name: string, options?: SseChannelOptions): SseChannel<Events>
  /** The channels that streams of this process follow, and how many do. */
  channels (): Array<{ readonly name: string, readonly subscribers: number }>
  /** Producers that outlive their viewers. */
  readonly runs: SseRuns
}

/** Every open stream, the limits at the door, and the way out for all. */
export class Hub implements SseHub, ReplyStreamOwner {
  readonly wheel = new TimerWheel()
  readonly topics: Topics
  readonly runs: Runs
  readonly #runRegistry: RunRegistry
  readonly #broker: SseBroker
  readonly #settings: PluginSettings
  readonly #joints = new LinkedList<ReplyStream>()
  readonly #perKey = new Map<string, number>()
  #draining = false
  /** Called when the last stream is over; set while draining. */
  #onEmpty = (): void => {}

  constructor (settings: PluginSettings, log: FastifyBaseLogger) {
    const broker = settings.broker ?? memoryBroker()
    const payload = (data: unknown, fields?: SseFields): SsePayload => payloadOf(data, fields, settings.serializer)
    this.#settings = settings
    this.#broker = broker
    this.topics = new Topics(broker)
    this.#runRegistry = new RunRegistry({ broker, wheel: this.wheel, log, toPayload: payload, maxRuns: settings.maxRuns })
    this.runs = new Runs(this.#runRegistry)
  }

  get lastEventIdParameter (): string {
    return this.#settings.lastEventIdParameter
  }

  get size (): number {
    return this.#joints.size
  }

  list (): SseStream[] {
    return Array.from(this.#joints, joint => joint.describe())
  }

  close (match: (stream: SseStream) => boolean = () => true): number {
    let closed = 0
    for (const joint of [...this.#joints]) {
      if (joint.emitter.state === 'closed' || !match(joint.describe())) continue
      joint.emitter.kick()
      closed++
    }
    return closed
  }

  channel (name: string, options?: SseChannelOptions): Channel {
    return new Channel(name, this.topics, { serializer: this.#settings.serializer, ...resolveChannelOptions(options) })
  }

  channels (): Array<{ name: string, subscribers: number }> {
    return Array.from(this.topics, ({ name, size }) => ({ name, subscribers: size }))
  }

  /** Lets go of the channels. */
  async release (): Promise<void> {
    await this.#broker.close()
  }

  /** What `reply.sse(options)` does. */
  open (reply: FastifyReply, options: SseStreamOptions | undefined): Emitter {
    assertFresh(reply)
    const settings = resolveStreamOptions(this.#settings, options)
    const { request } = reply
    if (settings.accept && !acceptsEventStream(request.headers.accept)) throw new SSE_ERR_NOT_ACCEPTABLE()
    const key = this.#settings.connectionKey?.(request)
    this.#admit(key)
    const joint = new ReplyStream(reply, settings, key, this)
    setReplyStream(reply, joint)
    this.#joints.add(joint)
    if (key !== undefined) this.#perKey.set(key, (this.#perKey.get(key) ?? 0) + 1)
    joint.watch()
    // Fastify lets requests finish that it had begun before it was closed.
    if (this.#draining) joint.emitter.shutDown(this.#retry)
    return joint.emitter
  }

  /**
   * Ends all streams, so that their clients come back to another process or later.
   *
   * @param server stops listening first: who reconnected to a closing Fastify would get a 503, after which a browser
   *   does not try again, where a refused connection makes it go on trying
   * @returns when all are over, at the latest after the option `shutdownGrace`
   */
  async drain (server: Server | Http2Server): Promise<void> {
    this.#draining = true
    if (server.listening) {
      // Where Fastify listens on more than one address of `localhost`, this closes the others.
      server.unref()
      server.close()
    }
    const { shutdownGrace } = this.#settings
    // Whoever watches a run shall see how it ends, unless that takes the broker too long.
    await Promise.race([this.#runRegistry.close(), sleep(shutdownGrace, undefined, { ref: false })])
    for (const { emitter } of this.#joints) {
      if (shutdownGrace > 0) emitter.shutDown(this.#retry)
      else emitter.cut('shutdown')
    }
    if (this.size === 0) return
    const empty = new Deferred<void>()
    this.#onEmpty = empty.resolve
    const grace = setTimeout(() => {
      for (const { emitter } of this.#joints) emitter.cut('shutdown')
    }, shutdownGrace)
    await empty.promise
    clearTimeout(grace)
  }

  /** Answers a refused client in the way of `refuse: 'retry'`. @returns whether that is what it was refused for */
  readonly refused = (reply: FastifyReply, error: unknown): boolean => {
    if (this.#settings.refuse !== 'retry') return false
    if (!(error instanceof SSE_ERR_FULL) && !(error instanceof SSE_ERR_FULL_FOR_KEY)) return false
    setStreamHeaders(reply).code(200).send(encode(undefined, { retry: this.#retry }, this.#settings.spaceAfterColon))
    return true
  }

  #admit (key: string | undefined): void {
    const { maxConnections, maxConnectionsPerKey } = this.#settings
    if (maxConnections > 0 && this.size >= maxConnections) throw this.#refusal(new SSE_ERR_FULL())
    if (maxConnectionsPerKey > 0 && key !== undefined && (this.#perKey.get(key) ?? 0) >= maxConnectionsPerKey) {
      throw this.#refusal(new SSE_ERR_FULL_FOR_KEY())
    }
  }

  /** The error, with headers that Fastify puts on its answer. */
  #refusal (error: Error): Error {
    return Object.assign(error, { headers: { 'retry-after': String(Math.ceil(this.#retry / 1_000)) } })
  }

  streamClosed (joint: ReplyStream): void {
    const { key } = joint
    this.#joints.remove(joint)
    if (key !== undefined) {
      const left = this.#perKey.get(key)! - 1
      if (left === 0) this.#perKey.delete(key)
      else this.#perKey.set(key, left)
    }
    if (this.size === 0) this.#onEmpty()
  }

  /** A pause for a client that shall not come back at once, nor with all the others, in milliseconds. */
  get #retry (): number {
    const pause = Math.max(this.#settings.retry ?? RETRY, 1_000)
    return Math.round(pause * (0.5 + Math.random()))
  }
}
