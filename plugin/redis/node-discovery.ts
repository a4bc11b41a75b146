import { Deferred } from '../base/deferred.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import type { Address, RedisConnection } from './node-redis.ts'
import { Line } from './reconnecting-client.ts'

/** How many are asked at once. */
const ASKED = 8

export interface LocatorOptions<Answer> {
  /** Who can be asked, whatever else is learnt. */
  readonly seeds: readonly Address[]
  /** Makes a connection to ask by, which is still to be connected. */
  readonly create: (address: Address) => RedisConnection
  /** Milliseconds to connect, and for the answer. */
  readonly timeout: number
  readonly wheel: TimerWheel
  /** Asks one of them. @throws if the answer is worth nothing */
  readonly ask: (line: Line, address: Address) => Promise<Answer>
}

/**
 * Asks those who know where Redis is: some of them at once, of whom the first that answers is believed. Should it be
 * mistaken, Redis says so, and others may be asked the next time.
 */
export class Locator<Answer> {
  readonly #options: LocatorOptions<Answer>
  #learnt: Address[] = []
  readonly #lines: Line[] = []
  #asking: Promise<Answer> | undefined

  constructor (options: LocatorOptions<Answer>) {
    this.#options = options
  }

  /** There are these to be asked beside the seeds. */
  learn (addresses: Address[]): void {
    this.#learnt = addresses
  }

  /** Asks once, however many want to know at the same time. @throws what one of those has said who were asked */
  async locate (): Promise<Answer> {
    this.#asking ??= this.#ask().finally(() => { this.#asking = undefined })
    return await this.#asking
  }

  /** Asks no more. */
  close (): void {
    for (const line of this.#lines.splice(0)) line.close()
  }

  async #ask (): Promise<Answer> {
    const answers = this.#some().map(address => {
      const answer = new Deferred<Answer>()
      const line: Line = new Line({
        ...this.#options,
        create: () => this.#options.create(address),
        prepare: async () => { answer.resolve(await this.#options.ask(line, address)) },
        onError: answer.reject
      })
      this.#lines.push(line)
      return answer.promise
    })
    return await Promise.any(answers).catch((error: AggregateError) => { throw error.errors[0] }).finally(() => { this.close() })
  }

  /** Some of all that are known, others each time. */
  #some (): Address[] {
    const known = new Map([...this.#options.seeds, ...this.#learnt].map(address => [`${address.host} ${address.port}`, address]))
    const addresses = Array.from(known.values())
    while (addresses.length > ASKED) addresses.splice(Math.floor(Math.random() * addresses.length), 1)
    return addresses
  }
}
