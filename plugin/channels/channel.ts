import { eventPublished } from '../base/diagnostics.ts'
import type { SseBroker, SseHistory, SsePage, SsePublished } from './broker.ts'
import { channelName } from './channel-name.ts'
import type { FanOut } from './fan-out.ts'
import { resolveReplayOptions, type SseReplayOptions } from './options.ts'
import type { EventSerializers } from '../wire/event-schemas.ts'
import type { SseSerializer, Unnamed, Untyped } from '../wire/event.ts'
import { assertIdempotencyKey, payloadOf, type SsePublishFields } from './payload.ts'

/**
 * A channel to publish events to. Streams subscribe to it with `emitter.subscribe()`. Objects with the same name refer
 * to the same channel. They are cheap to create and need not be kept.
 *
 * @typeParam Events maps each event type to the type of its data, which `publish` checks
 */
export interface SseChannel<out Events = any> {
  readonly name: string

  /** The number of streams in this process that are subscribed to the channel. */
  readonly subscribers: number

  /**
   * Publishes an event to all subscribers of the channel, in every process that shares the broker.
   *
   * To be able to retry when the outcome is unknown, pass an `idempotencyKey`: a second call with the same key does
   * not publish the event again. Brokers remember keys for ten minutes.
   *
   * @param data is serialized by its schema, if the channel has one for the event. Without a schema, a string is sent
   *   unchanged, and anything else is serialized by the plugin option `serializer`
   * @returns the event's id, and whether it was already published under the same key. Resolves once the broker has accepted
   *   the event, and does not wait for clients. Rejects with
   *   - SSE_ERR_EVENT or SSE_ERR_SERIALIZE if the event or its idempotency key is invalid; nothing is published
   *   - SSE_ERR_IDEMPOTENCY_KEY if the key was used for a different event on this channel
   *   - SSE_ERR_BROKER_CLOSED after `app.close()`, and the errors of the broker
   */
  publish<Name extends keyof Events & string> (data: Events[Name], fields: SsePublishFields & { readonly event: Name }): Promise<SsePublished>
  publish (data: Unnamed<Events>, fields?: SsePublishFields & { readonly event?: undefined }): Promise<SsePublished>
  publish (data: Untyped<Events>, fields?: SsePublishFields): Promise<SsePublished>

  /**
   * Returns a page of the channel's history. Nothing is sent to clients.
   *
   * @returns up to `count` events after the id `after`, in the order of their ids; whether there are more; and whether any
   *   are missing
   * @throws SSE_ERR_OPTION for an unknown or invalid option, SSE_ERR_BROKER_CLOSED after `app.close()`, and the errors of
   *   the broker
   */
  replay (options?: SseReplayOptions): Promise<SsePage>
}

/** How a channel publishes. */
export interface PublishSettings {
  readonly serializer: SseSerializer
  /** The serializers of events for which the channel has a schema. */
  readonly serializers?: EventSerializers | undefined
  readonly history: SseHistory
}

/** Its members are documented in {@link SseChannel}. */
export class Channel implements SseChannel {
  readonly name: string
  readonly #fanOut: FanOut
  readonly #broker: SseBroker
  readonly #settings: PublishSettings

  constructor (name: string, fanOut: FanOut, settings: PublishSettings) {
    this.name = channelName(name)
    this.#fanOut = fanOut
    this.#broker = fanOut.broker
    this.#settings = settings
  }

  get subscribers (): number {
    return this.#fanOut.subscriberCount(this.name)
  }

  publish (data: unknown, fields?: SsePublishFields): Promise<SsePublished> {
    return eventPublished.hasSubscribers ? this.#publishAndReport(data, fields) : this.#publish(data, fields)
  }

  async #publish (data: unknown, fields: SsePublishFields | undefined): Promise<SsePublished> {
    const { history, serializer, serializers } = this.#settings
    if (typeof fields !== 'object' || fields === null || !('idempotencyKey' in fields)) {
      return await this.#broker.publish(this.name, payloadOf(data, fields, serializer, serializers), { history })
    }
    const { idempotencyKey, ...payloadFields } = fields
    assertIdempotencyKey(idempotencyKey)
    return await this.#broker.publish(this.name, payloadOf(data, payloadFields, serializer, serializers), { history, idempotencyKey })
  }

  async #publishAndReport (data: unknown, fields: SsePublishFields | undefined): Promise<SsePublished> {
    const { name: channel } = this
    const start = performance.now()
    try {
      const { id, repeated } = await this.#publish(data, fields)
      eventPublished.publish({ channel, duration: performance.now() - start, id, repeated, error: undefined })
      return { id, repeated }
    } catch (error) {
      eventPublished.publish({ channel, duration: performance.now() - start, id: undefined, repeated: false, error })
      throw error
    }
  }

  async replay (options?: SseReplayOptions): Promise<SsePage> {
    const { after, count } = resolveReplayOptions(options)
    return await this.#broker.replay(this.name, after, count)
  }
}
