import { inspect } from 'node:util'
import type { SseBroker, SseHistory, SsePage, SsePublished } from './broker.ts'
import { channelName } from './channel-name.ts'
import { resolveReplayOptions, type SseReplayOptions } from './options.ts'
import { SSE_ERR_EVENT } from '../base/errors.ts'
import type { SseSerializer, Unnamed, Untyped } from '../wire/event.ts'
import { payloadOf, type SsePublishFields } from './payload.ts'
import type { Topics } from './topics.ts'

/**
 * A name to publish under, and to follow by `emitter.subscribe`. It costs nothing to make, and there may be many of one
 * name.
 *
 * @typeParam Events the data of each type of event, for `publish` to check
 */
export interface SseChannel<Events = Record<string, unknown>> {
  readonly name: string

  /** How many streams of this process follow it. */
  readonly subscribers: number

  /**
   * Publishes an event to all who follow the channel, in all processes that the broker reaches.
   *
   * @param data a string goes as it is, anything else through the plugin's `serializer`
   * @returns the event's id, once the broker has it. Rejects with
   *   - SSE_ERR_EVENT or SSE_ERR_SERIALIZE when the event cannot be written; nothing of it was published
   *   - what the broker rejects with, SSE_ERR_BROKER_CLOSED after `app.close()`
   */
  publish<Name extends keyof Events & string> (data: Events[Name], fields: SsePublishFields & { readonly event: Name }): Promise<string>
  publish (data: Unnamed<Events>, fields?: SsePublishFields & { readonly event?: undefined }): Promise<string>
  publish (data: Untyped<Events>, fields?: SsePublishFields): Promise<string>

  /**
   * Publishes an event unless that was done before with the same key, so that it may be repeated when it is not known
   * what came of it. The memory broker remembers for ten minutes.
   *
   * @param idempotencyKey 1 to 255 characters
   * @throws SSE_ERR_IDEMPOTENCY_KEY if the key was used for another event of this channel; and as `publish` does
   */
  publishOnce<Name extends keyof Events & string> (idempotencyKey: string, data: Events[Name], fields: SsePublishFields & { readonly event: Name }): Promise<SsePublished>
  publishOnce (idempotencyKey: string, data: Unnamed<Events>, fields?: SsePublishFields & { readonly event?: undefined }): Promise<SsePublished>
  publishOnce (idempotencyKey: string, data: Untyped<Events>, fields?: SsePublishFields): Promise<SsePublished>

  /**
   * Reads the channel's history in this process.
   *
   * @param options.after the id of the last event that is known; undefined for the beginning
   * @param options.count events at most, 1,000 by default
   * @returns the events in order, whether there are more, and whether any are missing
   * @throws SSE_ERR_OPTION; and what the broker rejects with
   */
  replay (options?: SseReplayOptions): Promise<SsePage>
}

/** What a channel needs of its application. */
export interface ChannelSettings {
  readonly serializer: SseSerializer
  readonly history: SseHistory
}

/** See {@link SseChannel}. */
export class Channel implements SseChannel {
  readonly name: string
  readonly #topics: Topics
  readonly #broker: SseBroker
  readonly #settings: ChannelSettings

  constructor (name: string, topics: Topics, settings: ChannelSettings) {
    this.name = channelName(name)
    this.#topics = topics
    this.#broker = topics.broker
    this.#settings = settings
  }

  get subscribers (): number {
    return this.#topics.sizeOf(this.name)
  }

  async publish (data: unknown, fields?: SsePublishFields): Promise<string> {
    const { id } = await this.#broker.publish(this.name, payloadOf(data, fields, this.#settings.serializer), { history: this.#settings.history })
    return id
  }

  async publishOnce (idempotencyKey: string, data: unknown, fields?: SsePublishFields): Promise<SsePublished> {
    if (typeof idempotencyKey !== 'string' || idempotencyKey.length < 1 || idempotencyKey.length > 255) {
      throw new SSE_ERR_EVENT(`has the idempotency key ${inspect(idempotencyKey, { depth: 0, maxStringLength: 80 })}: it must be a string of 1 to 255 characters`)
    }
    const { history } = this.#settings
    return await this.#broker.publish(this.name, payloadOf(data, fields, this.#settings.serializer), { history, idempotencyKey })
  }

  async replay (options?: SseReplayOptions): Promise<SsePage> {
    const { after, count } = resolveReplayOptions(options)
    return await this.#broker.replay(this.name, after, count)
  }
}
