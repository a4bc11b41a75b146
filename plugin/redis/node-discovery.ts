import { Deferred } from '../base/deferred.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Address, RedisConnection } from './node-redis.ts'
import { ReconnectingClient } from './reconnecting-client.ts'

/** Addresses that are asked at once. */
const MAX_ASKED = 8

export interface NodeDiscoveryOptions<Answer> {
  /** Addresses that can always be asked. */
  readonly seeds: readonly Address[]
  /** Creates a connection to an address, not yet open. */
  readonly createConnection: (address: Address) => RedisConnection
  /** Milliseconds to connect, and to wait for a reply. */
  readonly timeout: number
  readonly wheel: TimerWheel
  /** Asks one address. @throws if the answer is of no use */
  readonly ask: (client: ReconnectingClient, address: Address) => Promise<Answer>
}

/**
 * Finds out where data is by asking several nodes, or Sentinels, at once and taking the first answer. An outdated answer
 * does no harm: the server it leads to refuses commands, and the next discovery may ask others.
 */
export class NodeDiscovery<Answer> {
  readonly #options: NodeDiscoveryOptions<Answer>
  #learned: Address[] = []
  readonly #clients: ReconnectingClient[] = []
  #discovering: Promise<Answer> | undefined

  constructor (options: NodeDiscoveryOptions<Answer>) {
    this.#options = options
  }

  /** Sets the addresses that can be asked in addition to the seeds. */
  learn (addresses: Address[]): void {
    this.#learned = addresses
  }

  /** Concurrent calls share one discovery. @throws the first failure if no address gives an answer */
  async discover (): Promise<Answer> {
    this.#discovering ??= this.#discover().finally(() => { this.#discovering = undefined })
    return await this.#discovering
  }

  /** Closes the connections of a discovery that is under way. */
  close (): void {
    for (const client of this.#clients.splice(0)) client.close()
  }

  async #discover (): Promise<Answer> {
    const answers = this.#chooseAddresses().map(address => {
      const answer = new Deferred<Answer>()
      const client: ReconnectingClient = new ReconnectingClient({
        ...this.#options,
        createConnection: () => this.#options.createConnection(address),
        prepare: async () => { answer.resolve(await this.#options.ask(client, address)) },
        onError: answer.reject
      })
      this.#clients.push(client)
      return answer.promise
    })
    return await Promise.any(answers).catch((error: AggregateError) => { throw error.errors[0] }).finally(() => { this.close() })
  }

  /** A random selection of the known addresses. */
  #chooseAddresses (): Address[] {
    const known = new Map([...this.#options.seeds, ...this.#learned].map(address => [`${address.host} ${address.port}`, address]))
    const addresses = Array.from(known.values())
    while (addresses.length > MAX_ASKED) addresses.splice(Math.floor(Math.random() * addresses.length), 1)
    return addresses
  }
}
