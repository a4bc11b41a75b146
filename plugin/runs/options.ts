import { whole, type Check } from '../base/options.ts'
import { checked } from '../options.ts'

/** How a run is bounded. */
export interface SseRunOptions {
  /**
   * Milliseconds that it may take; then it ends as `failed` with the code `timeout`. 0: no limit.
   *
   * @default 900000 (15 minutes)
   */
  readonly timeout?: number | undefined

  /**
   * Milliseconds that its producer may take for the next item; then the run ends as `failed` with the code
   * `idle_timeout`. 0: no limit.
   *
   * @default 120000
   */
  readonly idleTimeout?: number | undefined

  /**
   * Milliseconds without a viewer in this process, from its beginning or from when the last has left; then the run ends
   * as `aborted`. 0: it goes on.
   *
   * @default 0
   */
  readonly orphanTimeout?: number | undefined

  /**
   * Milliseconds for which the run can be watched after its end.
   *
   * @default 600000 (10 minutes)
   */
  readonly retention?: number | undefined

  /**
   * Events that it may have. One more, and it ends as `failed` with the code `too_large`; none are forgotten, so that
   * everybody sees the whole.
   *
   * @default 50000
   */
  readonly maxEvents?: number | undefined

  /**
   * Bytes of text that it may have, as with `maxEvents`.
   *
   * @default 4194304
   */
  readonly maxBytes?: number | undefined
}

/** Every option of a run, checked, defaults filled in. */
export type RunSettings = { readonly [Name in keyof SseRunOptions]-?: number }

const DEFAULTS: RunSettings = {
  timeout: 15 * 60 * 1_000,
  idleTimeout: 120_000,
  orphanTimeout: 0,
  retention: 10 * 60 * 1_000,
  maxEvents: 50_000,
  maxBytes: 4 * 1024 * 1024
}

const CHECKS: Record<keyof RunSettings, Check> = {
  timeout: whole(0, 'ms', '0 for none'),
  idleTimeout: whole(0, 'ms', '0 for none'),
  orphanTimeout: whole(0, 'ms', '0 for none'),
  retention: whole(1, 'ms'),
  maxEvents: whole(1, 'events'),
  maxBytes: whole(1024, 'bytes')
}

/**
 * A run's options, over the defaults.
 *
 * @throws SSE_ERR_OPTION for a value that an option cannot have, and for a name that is none
 */
export function resolveRunOptions (options: SseRunOptions | undefined): RunSettings {
  return options === undefined ? DEFAULTS : checked(DEFAULTS, options, CHECKS)
}
