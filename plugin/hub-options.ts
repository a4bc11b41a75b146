import type { FastifyRequest } from 'fastify'
import { SSE_ERR_OPTION } from './base/errors.ts'
import { anyFunction, integer, nonEmptyString, oneOf, type Check, type Checks, type Resolved } from './base/option-checks.ts'
import { resolveOptions } from './base/options.ts'
import type { SseBroker } from './channels/broker.ts'
import { broker } from './channels/options.ts'
import { REPLY_CHECKS, REPLY_DEFAULTS, type ReplySettings, type SseStreamOptions } from './reply/options.ts'

/** The options of `app.register(sse, options)`. Those of `reply.sse()` are the defaults of all streams. */
export interface SsePluginOptions extends Omit<SseStreamOptions, 'expiresAt'> {
  /**
   * Stores and delivers what is published to channels. The plugin closes it when the application closes.
   *
   * @default memoryBroker(), which keeps channels in this process
   */
  readonly broker?: SseBroker | undefined

  /**
   * The name of the query parameter in which a client may send its last event id when it cannot set the `Last-Event-ID`
   * header, such as a page that creates a new EventSource.
   *
   * @default 'lastEventId'
   */
  readonly lastEventIdParameter?: string | undefined

  /**
   * The maximum number of open streams in this process. Another one is refused with 503. 0 sets no limit.
   *
   * @default 10000
   */
  readonly maxConnections?: number | undefined

  /**
   * The maximum number of runs in this process, including those that have ended and can still be watched. Another one is
   * refused with 503. 0 sets no limit.
   *
   * @default 1000
   */
  readonly maxRuns?: number | undefined

  /**
   * Returns the key that a stream counts toward in `maxConnectionsPerKey`, and by which `app.sse` identifies it: for
   * example the user's id, or `request.ip`.
   *
   * @default undefined
   */
  readonly connectionKey?: ((request: FastifyRequest) => string | undefined) | undefined

  /**
   * The maximum number of open streams per key. Another one is refused with 429. 0 sets no limit. Requires
   * `connectionKey`.
   *
   * @default 0
   */
  readonly maxConnectionsPerKey?: number | undefined

  /**
   * How a stream over a limit is refused:
   * - `'status'` answers 503 or 429 with Retry-After; a browser's EventSource then gives up for good
   * - `'retry'` answers 200 with a `retry:` field and ends, so that an EventSource reconnects later
   *
   * @default 'status'
   */
  readonly refuse?: 'status' | 'retry' | undefined

  /**
   * Milliseconds that `app.close()` waits for open streams to flush. 0 closes their connections immediately.
   *
   * @default 5000
   */
  readonly shutdownGrace?: number | undefined
}

/** The plugin's options; also the settings of a stream without options of its own. */
export type PluginSettings = ReplySettings & Resolved<Omit<SsePluginOptions, keyof SseStreamOptions>, 'broker' | 'connectionKey'>

const DEFAULTS: PluginSettings = {
  ...REPLY_DEFAULTS,
  broker: undefined,
  lastEventIdParameter: 'lastEventId',
  maxConnections: 10_000,
  maxRuns: 1_000,
  connectionKey: undefined,
  maxConnectionsPerKey: 0,
  refuse: 'status',
  shutdownGrace: 5_000
}

const CHECKS: Checks<PluginSettings> = {
  ...REPLY_CHECKS,
  expiresAt: (value, option) => option.invalid('belongs to a single stream: pass it to reply.sse()', String(value)),
  broker,
  lastEventIdParameter: nonEmptyString,
  maxConnections: integer(0, '', 'sets no limit'),
  maxRuns: integer(0, '', 'sets no limit'),
  connectionKey: anyFunction,
  maxConnectionsPerKey: integer(0, '', 'sets no limit'),
  refuse: oneOf('status', 'retry'),
  shutdownGrace: integer(0, 'milliseconds', 'closes connections immediately')
}

/** Options that Fastify accepts for every plugin. */
const FASTIFY: Record<string, Check> = { prefix: value => value, logLevel: value => value, logSerializers: value => value }

/** @throws SSE_ERR_OPTION */
export function resolvePluginOptions (options: SsePluginOptions): PluginSettings {
  const settings = resolveOptions('app.register(sse)', options, DEFAULTS, { ...CHECKS, ...FASTIFY })
  if (settings.maxConnectionsPerKey > 0 && settings.connectionKey === undefined) {
    throw new SSE_ERR_OPTION('Option `maxConnectionsPerKey` requires `connectionKey`, which returns the key of a stream')
  }
  return settings
}
