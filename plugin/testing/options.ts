import { randomInt } from 'node:crypto'
import { integer, type Checks, type Resolved } from '../base/option-checks.ts'
import { resolveOptions } from '../base/options.ts'

/** The options of `brokerContract()`. */
export interface BrokerContractOptions {
  /**
   * The maximum time in milliseconds until a subscriber receives a published event, and until expired events are removed.
   *
   * @default 5000
   */
  readonly timeout?: number | undefined

  /**
   * The seed of the cases that make random choices. Their failures report it, so that a failure can be reproduced.
   *
   * @default a random integer
   */
  readonly seed?: number | undefined
}

export type BrokerContractSettings = Resolved<BrokerContractOptions>

/** The number of different seeds. */
const SEEDS = 2 ** 32

const CHECKS: Checks<BrokerContractSettings> = { timeout: integer(1, 'milliseconds'), seed: integer(0, '', '', SEEDS - 1) }

/** @throws SSE_ERR_OPTION */
export function resolveBrokerContractOptions (options?: BrokerContractOptions): BrokerContractSettings {
  return resolveOptions('brokerContract()', options, { timeout: 5_000, seed: randomInt(SEEDS) }, CHECKS)
}
