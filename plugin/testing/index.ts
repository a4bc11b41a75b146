import { randomInt } from 'node:crypto'
import type { SseBroker } from '../channels/broker.ts'
import { closing } from './closing.ts'
import { following } from './following.ts'
import { history } from './history.ts'
import { publishing } from './publishing.ts'
import { races } from './races.ts'
import { Random } from './random.ts'
import { repeating } from './repeating.ts'
import { Scene } from './scene.ts'

/** How the cases are run. */
export interface BrokerContractOptions {
  /**
   * Milliseconds in which an entry has to come to those who follow its channel.
   *
   * @default 5000
   */
  readonly patience?: number | undefined
  /**
   * A whole number, for what the cases do at random. What fails by chance says which it had.
   *
   * @default another each time
   */
  readonly seed?: number | undefined
}

/** One thing that must hold of a broker. */
export interface BrokerCase {
  /** A sentence that says it. */
  readonly name: string
  /** Rejects if it does not hold. */
  readonly run: () => Promise<void>
}

/**
 * What must hold of every broker, for the test framework of your choice:
 *
 * ```ts
 * for (const { name, run } of brokerContract(() => myBroker())) test(name, run)
 * ```
 *
 * The channels have names that nobody has used, so that brokers may share a store with others, and cases may run at once.
 * Where a broker has partitions, those of a case are of one, whichever that is: names are tried until `partition` says so.
 *
 * @param create makes a broker; the case closes it
 */
export function brokerContract (create: () => SseBroker | Promise<SseBroker>, { patience = 5_000, seed = randomInt(2 ** 32) }: BrokerContractOptions = {}): BrokerCase[] {
  return Object.entries({ ...publishing, ...following, ...history, ...races, ...repeating, ...closing }).map(([name, check]) => ({
    name,
    run: async () => {
      const scene = await Scene.open(create, patience)
      try {
        await check(scene, new Random(seed))
      } finally {
        await scene.close()
      }
    }
  }))
}
