import type { FastifyTypeProvider, FastifyTypeProviderDefault } from 'fastify'
import { decision } from './base/callbacks.ts'
import { SSE_ERR_OPTION } from './base/errors.ts'
import { describe } from './base/option-checks.ts'
import { Channel, type SseChannel } from './channels/channel.ts'
import type { ChannelSchemas } from './channels/channel-schemas.ts'
import type { FanOut } from './channels/fan-out.ts'
import { resolveChannelOptions, type SseChannelOptions } from './channels/options.ts'
import type { KeyCloser } from './reply/key-closer.ts'
import type { ReplyStreams } from './reply/reply-streams.ts'
import type { SseRuns } from './runs/runs.ts'
import type { SseStreamInfo } from './stream/sse-emitter.ts'
import type { SseSerializer } from './wire/event.ts'
import type { SseEventsOf, SseSchemas } from './wire/event-schemas.ts'

/** All streams, channels and runs of one application: `app.sse`. */
export interface SseHub<out Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> {
  /** The number of streams, each counted from `reply.sse()` until its connection is closed. */
  readonly size: number
  /** Returns a snapshot of all streams. */
  list (): SseStreamInfo[]
  /**
   * Ends streams with the reason `kicked`. Events that are already queued are written first. A stream that has not opened yet
   * opens, so that its client receives a response.
   *
   * @param match selects the streams; all of them by default. If it throws or returns a promise, no stream ends
   * @returns the number of streams that were ended
   */
  close (match?: (stream: SseStreamInfo) => boolean): number
  /**
   * Ends the streams of a key with the reason `kicked`, in every process that shares the broker. Those of this process end
   * immediately. A process that is disconnected from the broker ends its streams when it reconnects.
   *
   * A client can reconnect, and a request whose handler has not called `reply.sse()` yet can still open a stream: revoke the
   * user's access first.
   *
   * @param key what the option `connectionKey` returned for the streams
   * @returns a promise that resolves once the broker has accepted the message to the other processes
   * @throws SSE_ERR_OPTION if the key is not a string; the errors of the broker. The message is then sent when the broker is
   *   available again, unless this process ends before
   */
  closeKey (key: string): Promise<void>
  /**
   * Returns a channel to publish to and to subscribe to. The type of the data of each event follows from the option `schema`
   * through the type provider of the application.
   *
   * @param name 1 to 255 characters without control characters. Names that start with `sse-` are reserved
   * @throws SSE_ERR_CHANNEL if the name is invalid, SSE_ERR_OPTION for an unknown or invalid option or schema
   */
  channel<const Schemas extends SseSchemas> (name: string, options: SseChannelOptions & { readonly schema: Schemas }): SseChannel<SseEventsOf<Schemas, Provider>>
  /** @typeParam Events maps each event type to the type of its data */
  channel<Events = any> (name: string, options?: SseChannelOptions): SseChannel<Events>
  /** Returns the channels that have subscribers in this process, each with its number of subscribers. */
  channels (): Array<{ readonly name: string, readonly subscribers: number }>
  /** Runs: producers that continue when clients disconnect. */
  readonly runs: SseRuns
}

/** Each member is documented in {@link SseHub}. */
export class Hub implements SseHub {
  readonly #streams: ReplyStreams
  readonly #fanOut: FanOut
  readonly #runs: SseRuns
  readonly #serializer: SseSerializer
  readonly #schemas: ChannelSchemas
  readonly #keyCloser: KeyCloser

  constructor (streams: ReplyStreams, fanOut: FanOut, runs: SseRuns, serializer: SseSerializer, schemas: ChannelSchemas, keyCloser: KeyCloser) {
    this.#streams = streams
    this.#fanOut = fanOut
    this.#runs = runs
    this.#serializer = serializer
    this.#schemas = schemas
    this.#keyCloser = keyCloser
  }

  get size (): number {
    return this.#streams.size
  }

  list (): SseStreamInfo[] {
    return Array.from(this.#streams, replyStream => replyStream.describe())
  }

  close (match: (stream: SseStreamInfo) => boolean = () => true): number {
    if (typeof match !== 'function') throw new SSE_ERR_OPTION('The callback of app.sse.close() must be a function', `received ${describe(match)}`)
    const matching = [...this.#streams].filter(replyStream => {
      return replyStream.stream.state !== 'closed' && decision(match(replyStream.describe()), 'match')
    })
    for (const { stream } of matching) stream.endWith('kicked')
    return matching.length
  }

  async closeKey (key: string): Promise<void> {
    await this.#keyCloser.close(key)
  }

  channel (name: string, options?: SseChannelOptions): SseChannel<any> {
    const { history, schema, serializerCompiler } = resolveChannelOptions(options)
    const serializers = schema === undefined ? undefined : this.#schemas.compile(name, schema, serializerCompiler)
    return new Channel(name, this.#fanOut, { history, serializer: this.#serializer, serializers })
  }

  channels (): Array<{ name: string, subscribers: number }> {
    return Array.from(this.#fanOut, ({ name, size }) => ({ name, subscribers: size }))
  }

  get runs (): SseRuns {
    return this.#runs
  }
}
