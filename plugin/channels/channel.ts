import type { SseBroker, SseHistory, SsePage, SsePublished } from './broker.ts'
import { channelName } from './channel-name.ts'
import type { FanOut } from './fan-out.ts'
import { resolveReplayOptions, type SseReplayOptions } from './options.ts'
import type { SseSerializer, Unnamed, Untyped } from '../wire/event.ts'
import { assertIdempotencyKey, payloadOf, type SsePublishFields } from './payload.ts'

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
   * Publishes an event to all subscribers of the channel, in every process that shares the broker.
   *
   * With an `idempotencyKey`, publishing again does not publish twice: use it to retry when the result of the first attempt
   * is unknown. The memory broker remembers keys for ten minutes.
   *
   * @param data a string is sent unchanged, anything else is serialized by the plugin option `serializer`
   * @returns the event's id, and whether it was already published under the same idempotency key, once the broker has
   *   accepted the event. It does not wait for clients. Rejects with
   *   - SSE_ERR_EVENT or SSE_ERR_SERIALIZE if the event or its idempotency key is invalid; nothing is published
   *   - SSE_ERR_IDEMPOTENCY_KEY if the key was used for a different event on this channel
   *   - SSE_ERR_BROKER_CLOSED after `app.close()`, and the errors of the broker
   */
  publish<Name extends keyof Events & string> (data: Events[Name], fields: SsePublishFields & { readonly event: Name }): Promise<SsePublished>
  publish (data: Unnamed<Events>, fields?: SsePublishFields & { readonly event?: undefined }): Promise<SsePublished>
  publish (data: Untyped<Events>, fields?: SsePublishFields): Promise<SsePublished>

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
  readonly #fanOut: FanOut
  readonly #broker: SseBroker
  readonly #settings: ChannelSettings

  constructor (name: string, fanOut: FanOut, settings: ChannelSettings) {
    this.name = channelName(name)
    this.#fanOut = fanOut
    this.#broker = fanOut.broker
    this.#settings = settings
  }

  get subscribers (): number {
    return this.#fanOut.subscriberCount(this.name)
  }

  async publish (data: unknown, fields?: SsePublishFields): Promise<SsePublished> {
    const { history, serializer } = this.#settings
    if (fields === undefined || !('idempotencyKey' in fields)) return await this.#broker.publish(this.name, payloadOf(data, fields, serializer), { history })
    const { idempotencyKey, ...payloadFields } = fields
    assertIdempotencyKey(idempotencyKey)
    return await this.#broker.publish(this.name, payloadOf(data, payloadFields, serializer), { history, idempotencyKey })
  }

  async replay (options?: SseReplayOptions): Promise<SsePage> {
    const { after, count } = resolveReplayOptions(options)
    return await this.#broker.replay(this.name, after, count)
  }
}
