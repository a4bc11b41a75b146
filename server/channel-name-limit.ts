import createError from '@fastify/error'

const TOO_MANY_CHANNELS = createError<[number]>('TOO_MANY_CHANNELS', 'All %d channels are in use; try again later', 503)
const TOO_MANY_CHANNELS_PER_CLIENT = createError<[number]>('TOO_MANY_CHANNELS_PER_CLIENT', 'You have %d channels in use; try again later', 429)
/** Seconds before a client should retry. Nobody can know when a name will become free. */
const RETRY_AFTER = '60'

interface Usage {
  /** The client that brought the name into use. */
  readonly client: string
  /** Calls of `acquire` without a matching `release`. */
  holders: number
  /** Time until which the name stays reserved without holders, by `performance.now()`. */
  reservedUntil: number
}

/**
 * Limits how many channel names are in use at once. A name is in use while it has holders, and for as long afterwards as
 * requested at its release. Expired names are only searched for when a limit is reached.
 */
export class ChannelNameLimit {
  readonly #limit: number
  readonly #limitPerClient: number
  readonly #usages = new Map<string, Usage>()
  /** How many names each client has brought into use. */
  readonly #clients = new Map<string, number>()

  /** @param limitPerClient how many of the names one client may bring into use, so that it leaves some to others */
  constructor (limit: number, limitPerClient = limit) {
    this.#limit = limit
    this.#limitPerClient = limitPerClient
  }

  /**
   * Adds a holder to a name. Every call must be followed by a call of `release`.
   *
   * @param client the client that needs the name, which counts toward its limit if the name is not in use
   * @throws TOO_MANY_CHANNELS (503), TOO_MANY_CHANNELS_PER_CLIENT (429) if the name is not in use and a limit is reached
   */
  acquire (name: string, client = ''): void {
    const usage = this.#usages.get(name) ?? this.#add(name, client)
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

  #add (name: string, client: string): Usage {
    if (this.#refusal(client) !== undefined) this.#deleteUnused()
    const refusal = this.#refusal(client)
    // Exposed, because a stream that fails otherwise hides its error from the client.
    if (refusal !== undefined) throw Object.assign(refusal, { expose: true, headers: { 'retry-after': RETRY_AFTER } })
    const usage = { client, holders: 0, reservedUntil: 0 }
    this.#usages.set(name, usage)
    this.#clients.set(client, this.#countOf(client) + 1)
    return usage
  }

  #refusal (client: string): Error | undefined {
    if (this.#usages.size >= this.#limit) return new TOO_MANY_CHANNELS(this.#limit)
    return this.#countOf(client) >= this.#limitPerClient ? new TOO_MANY_CHANNELS_PER_CLIENT(this.#limitPerClient) : undefined
  }

  #countOf (client: string): number {
    return this.#clients.get(client) ?? 0
  }

  #deleteUnused (): void {
    const now = performance.now()
    for (const [name, usage] of this.#usages) this.#deleteIfUnused(name, usage, now)
  }

  #deleteIfUnused (name: string, { client, holders, reservedUntil }: Usage, now: number): void {
    if (holders > 0 || reservedUntil > now) return
    this.#usages.delete(name)
    const count = this.#countOf(client) - 1
    if (count > 0) this.#clients.set(client, count)
    else this.#clients.delete(client)
  }
}
