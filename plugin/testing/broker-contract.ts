import { SSE_ERR_OPTION } from '../base/errors.ts'
import { describe } from '../base/option-checks.ts'
import { BrokerHarness, type CreateBroker } from './broker-harness.ts'
import { closeCases } from './cases/close.ts'
import { concurrencyCases } from './cases/concurrency.ts'
import { expectationCases } from './cases/expectation.ts'
import { historyCases } from './cases/history.ts'
import { idempotencyCases } from './cases/idempotency.ts'
import { publishCases } from './cases/publish.ts'
import { subscribeCases } from './cases/subscribe.ts'
import { resolveBrokerContractOptions, type BrokerContractOptions } from './options.ts'
import { SeededRandom } from './seeded-random.ts'

/** One requirement of the broker contract. */
export interface BrokerCase {
  /** The requirement, as a sentence. */
  readonly name: string
  /** Rejects if the broker does not meet the requirement. */
  readonly run: () => Promise<void>
}

/**
 * Returns the test cases that every broker must pass, for any test framework:
 *
 * ```ts
 * for (const { name, run } of brokerContract(() => myBroker())) test(name, run)
 * ```
 *
 * Each case creates its brokers, uses channels with random names, and closes its brokers. Cases may therefore run
 * concurrently, and brokers may share a store. All channels of a case belong to the same partition.
 *
 * @param create returns a new broker
 * @throws SSE_ERR_OPTION if an argument is invalid
 */
export function brokerContract (create: CreateBroker, options?: BrokerContractOptions): BrokerCase[] {
  if (typeof create !== 'function') throw new SSE_ERR_OPTION('The first argument of brokerContract() must be a function that returns a broker', `received ${describe(create)}`)
  const { timeout, seed } = resolveBrokerContractOptions(options)
  const cases = { ...publishCases, ...subscribeCases, ...historyCases, ...concurrencyCases, ...idempotencyCases, ...expectationCases, ...closeCases }
  return Object.entries(cases).map(([name, check]) => ({
    name,
    run: async () => {
      const harness = await BrokerHarness.open(create, timeout)
      try {
        await check(harness, new SeededRandom(seed))
      } finally {
        await harness.close()
      }
    }
  }))
}
