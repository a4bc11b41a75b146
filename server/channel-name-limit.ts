import createError from '@fastify/error'

const TOO_MANY_CHANNELS = createError<[number]>('TOO_MANY_CHANNELS', 'All %d channels are in use; try again later', 503)
/** Seconds before a client should retry. Nobody can know when a name will become free. */
const RETRY_AFTER = '60'

interface Usage {
  /** Calls of `acquire` without a matching `release`. */
  holders: number
  /** Time until which the name stays reserved without holders, by `performance.now()`. */
  reservedUntil: number
}

/**
 * Limits how many channel names are in use at once. A name is in use while it has holders, and for as long afterwards as
 * requested at its release. Expired names are only searched for when the limit is reached.
 */
export class ChannelNameLimit {
  readonly #limit: number
  readonly #usages = new Map<string, Usage>()

  constructor (limit: number) {
    this.#limit = limit
  }

  /**
   * Adds a holder to a name. Every call must be followed by a call of `release`.
   *
   * @throws TOO_MANY_CHANNELS (503) if the name is not in use and the limit is reached
   */
  acquire (name: string): void {
    const usage = this.#usages.get(name) ?? this.#add(name)
    usage.holders++
  }

  /** @param reserve milliseconds for which the name stays in use */
  release (name: string, reserve = 0): void {
    const now = performance.now()
    const usage = this.#usages.get(name)!
    usage.holders--
    usage.reservedUntil = Math.max(usage.reservedUntil, now + reserve)
    this.#deleteIfUnused(name, usage, now)
  }

  #add (name: string): Usage {
    if (this.#usages.size >= this.#limit) this.#deleteUnused()
    if (this.#usages.size >= this.#limit) throw Object.assign(new TOO_MANY_CHANNELS(this.#limit), { headers: { 'retry-after': RETRY_AFTER } })
    const usage = { holders: 0, reservedUntil: 0 }
    this.#usages.set(name, usage)
    return usage
  }

  #deleteUnused (): void {
    const now = performance.now()
    for (const [name, usage] of this.#usages) this.#deleteIfUnused(name, usage, now)
  }

  #deleteIfUnused (name: string, { holders, reservedUntil }: Usage, now: number): void {
    if (holders === 0 && reservedUntil <= now) this.#usages.delete(name)
  }
}
