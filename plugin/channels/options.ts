import type { FastifySerializerCompiler } from 'fastify'
import { anyFunction, boolean, integer, nonEmptyString, string, type Check, type Checks, type Resolved } from '../base/option-checks.ts'
import { resolveOptions } from '../base/options.ts'
import type { SseEntry } from '../wire/entry.ts'
import { schemas, type SseSchemas } from '../wire/event-schemas.ts'
import type { SseHistory } from './broker.ts'

/** The options of `app.sse.channel()`. */
export interface SseChannelOptions {
  /**
   * How much of the channel's history is kept, from the next event that this object publishes. Events beyond any of the
   * limits are dropped, the oldest first.
   *
   * @default { count: 1000, age: 600000, bytes: 8388608 }
   */
  readonly history?: { readonly [Limit in keyof SseHistory]?: SseHistory[Limit] | undefined } | undefined

  /**
   * A schema for the data of each type of event; `message` is for events without a type. The data of an event with a schema is
   * always JSON, even if it is a string, and contains only the properties that the schema names. The schemas are compiled when
   * the object of schemas is first used.
   *
   * @default undefined (strings are published unchanged, anything else is serialized by the option `serializer`)
   */
  readonly schema?: SseSchemas | undefined

  /**
   * Compiles the schemas.
   *
   * @default the serializer compiler of the application, which compiles JSON Schema unless the application has set another one
   */
  readonly serializerCompiler?: FastifySerializerCompiler<any> | undefined
}

export type ChannelSettings = Resolved<Omit<SseChannelOptions, 'history'>, 'schema' | 'serializerCompiler'> & { readonly history: SseHistory }

const HISTORY: SseHistory = { count: 1_000, age: 10 * 60 * 1_000, bytes: 8 * 1024 * 1024 }

const HISTORY_CHECKS: Checks<SseHistory> = {
  count: integer(0, 'events', 'keeps no history'),
  age: integer(0, 'milliseconds', 'sets no limit'),
  bytes: integer(1024, 'bytes')
}

const CHANNEL: ChannelSettings = { history: HISTORY, schema: undefined, serializerCompiler: undefined }

/** @throws SSE_ERR_OPTION */
export function resolveChannelOptions (options?: SseChannelOptions): ChannelSettings {
  return resolveOptions('app.sse.channel()', options, CHANNEL, {
    history: (value, option) => option.resolve(value, HISTORY, HISTORY_CHECKS),
    schema: schemas,
    serializerCompiler: anyFunction
  })
}

/**
 * The option `context` of `reply.sse()`. Applications declare its members:
 *
 * ```ts
 * declare module 'fastify-sse-emitter' {
 *   interface SseContext { user: User }
 * }
 * ```
 */
export interface SseContext {}

/**
 * Selects events, for one subscriber.
 *
 * @param context the option `context` of `reply.sse()`
 */
export type SseFilter = (entry: SseEntry, channel: string, context: SseContext | undefined) => boolean

/** The options of `emitter.subscribe()`. */
export interface SseSubscribeOptions {
  /**
   * Where a client without a last event id starts: `'now'`, `'start'` for all of the history, or after an id. A client
   * that reconnects sends its last id in the `Last-Event-ID` header, or else in the query parameter named by the plugin
   * option `lastEventIdParameter`, and resumes there.
   *
   * @default 'now'
   */
  readonly from?: 'now' | 'start' | (string & {}) | undefined

  /**
   * Selects the events that this client receives. It must not be async: look up the client's permissions before
   * `subscribe`. If it throws or returns a promise, the stream ends with that error, and the event is not sent.
   *
   * @default undefined (all events)
   */
  readonly filter?: SseFilter | undefined

  /**
   * Returns whether the stream ends after this event. The client receives the event. Not called for events that `filter`
   * rejects. It must not be async. If it throws or returns a promise, the stream ends with that error.
   *
   * A client that reconnects with the id of that event receives 204, so that an EventSource stops.
   *
   * @default undefined (the stream does not end)
   */
  readonly until?: SseFilter | undefined

  /**
   * Whether the client receives the events `sse-ready`, `sse-gap` and `sse-reset`, which report its position and missing
   * events. Turn it off for a stream that follows another protocol.
   *
   * @default true
   */
  readonly markers?: boolean | undefined
}

export type SubscribeSettings = Resolved<SseSubscribeOptions, 'filter' | 'until'>

const SUBSCRIBE: SubscribeSettings = { from: 'now', filter: undefined, until: undefined, markers: true }

const SUBSCRIBE_CHECKS: Checks<SubscribeSettings> = { from: nonEmptyString, filter: anyFunction, until: anyFunction, markers: boolean }

/** @throws SSE_ERR_OPTION */
export function resolveSubscribeOptions (options: SseSubscribeOptions | undefined): SubscribeSettings {
  return resolveOptions('emitter.subscribe()', options, SUBSCRIBE, SUBSCRIBE_CHECKS)
}

/** The options of `channel.replay()`. */
export interface SseReplayOptions {
  /**
   * The id of the last known event.
   *
   * @default undefined (the beginning of the history)
   */
  readonly after?: string | undefined

  /**
   * The maximum number of events.
   *
   * @default 1000
   */
  readonly count?: number | undefined
}

export type ReplaySettings = Resolved<SseReplayOptions, 'after'>

const REPLAY: ReplaySettings = { after: undefined, count: 1_000 }

const REPLAY_CHECKS: Checks<ReplaySettings> = { after: string, count: integer(1, 'events') }

/** @throws SSE_ERR_OPTION */
export function resolveReplayOptions (options: SseReplayOptions | undefined): ReplaySettings {
  return resolveOptions('channel.replay()', options, REPLAY, REPLAY_CHECKS)
}

/** The options of `memoryBroker()`. */
export interface SseMemoryBrokerOptions {
  /**
   * The maximum number of channels: those with a subscriber or a history, and those that had a history in the past ten
   * minutes. `publish` and `subscribe` reject for another one.
   *
   * @default 100000
   */
  readonly maxChannels?: number | undefined
}

const MEMORY_BROKER: Resolved<SseMemoryBrokerOptions> = { maxChannels: 100_000 }

/** @throws SSE_ERR_OPTION */
export function resolveMemoryBrokerOptions (options: SseMemoryBrokerOptions | undefined): Resolved<SseMemoryBrokerOptions> {
  return resolveOptions('memoryBroker()', options, MEMORY_BROKER, { maxChannels: integer(1, 'channels') })
}

const BROKER_METHODS = ['publish', 'subscribe', 'replay', 'close']

/** Checks that a value implements the methods of a broker. */
export const broker: Check = (value, option) => {
  const missing = BROKER_METHODS.find(method => typeof (value as Record<string, unknown> | null)?.[method] !== 'function')
  return missing === undefined ? value : option.invalid('must be a broker', `a value without the method \`${missing}\``)
}
