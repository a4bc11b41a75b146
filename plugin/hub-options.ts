import { SSE_ERR_OPTION } from './base/errors.ts'
import { describe, integer, type Check, type Checks, type Resolved } from './base/option-checks.ts'
import { resolveOptions } from './base/options.ts'
import type { SseBroker } from './channels/broker.ts'
import { broker } from './channels/options.ts'
import {
  CONNECTION_CHECKS, CONNECTION_DEFAULTS, REPLY_CHECKS, REPLY_DEFAULTS, type ConnectionOptions, type ConnectionSettings, type ReplySettings,
  type SseStreamOptions
} from './reply/options.ts'

/** The options of `app.register(sse, options)`. Those of `reply.sse()` are the defaults of all streams. */
export interface SsePluginOptions extends Omit<SseStreamOptions, 'expiresAt' | 'context'>, ConnectionOptions {
  /**
   * Stores and delivers what is published to channels. The plugin closes it when the application closes.
   *
   * @default memoryBroker(), which keeps channels in this process
   */
  readonly broker?: SseBroker | undefined

  /**
   * The maximum number of runs in this process, including those that have ended and can still be watched. Another one is
   * refused with 503. 0 sets no limit.
   *
   * @default 1000
   */
  readonly maxRuns?: number | undefined

  /**
   * The maximum size of the logs of all runs of this process in bytes, counted as for `maxBytes` of a run. Further runs are
   * refused with 503, and a run that would exceed it ends as `failed` with the code `runs_full`. 0 sets no limit.
   *
   * @default 268435456
   */
  readonly maxRunBytes?: number | undefined

  /**
   * Milliseconds that `app.close()` takes at most to end runs, until their producers have ended, and to flush open streams.
   * 0 closes their connections immediately.
   *
   * @default 5000
   */
  readonly shutdownGrace?: number | undefined
}

/** The plugin's options; also the settings of a stream without options of its own. */
export type PluginSettings =
  & ReplySettings
  & ConnectionSettings
  & Resolved<Pick<SsePluginOptions, 'broker' | 'maxRuns' | 'maxRunBytes' | 'shutdownGrace'>, 'broker'>

const DEFAULTS: PluginSettings = {
  ...REPLY_DEFAULTS,
  ...CONNECTION_DEFAULTS,
  broker: undefined,
  maxRuns: 1_000,
  maxRunBytes: 256 * 1024 * 1024,
  shutdownGrace: 5_000
}

const ofOneStream: Check = (value, option) => option.invalid('belongs to a single stream: pass it to reply.sse()', describe(value))

const CHECKS: Checks<PluginSettings> = {
  ...REPLY_CHECKS,
  expiresAt: ofOneStream,
  context: ofOneStream,
  ...CONNECTION_CHECKS,
  broker,
  maxRuns: integer(0, '', 'sets no limit'),
  maxRunBytes: integer(0, 'bytes', 'sets no limit'),
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
