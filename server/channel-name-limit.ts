import createError from '@fastify/error'

const TOO_MANY_CHANNELS = createError<[number]>('TOO_MANY_CHANNELS', 'All %d channels that there may be are in use, try again later', 503)
/** Seconds until it is worth another try: a name may get free at any moment, and none has to. */
const RETRY_AFTER = '60'

interface Use {
  /** How many have taken the name and not given it back. */
  takers: number
  /** Until when it is in use all the same, by `performance.now()`. */
  until: number
}

/**
 * The names that are in use, so many at once and no more: those that somebody has taken, and those that were given back
 * to stay in use for a while. Whose time is up is looked for when there is no room for another.
 */
export class Names {
  readonly #limit: number
  readonly #uses = new Map<string, Use>()

  constructor (limit: number) {
    this.#limit = limit
  }

  /**
   * Takes a name, which any number may do at once. Each has to give it back.
   *
   * @throws TOO_MANY_CHANNELS (503) if it would be one name more than there may be
   */
  take (name: string): void {
    const use = this.#uses.get(name) ?? this.#add(name)
    use.takers++
  }

  /** @param lasting milliseconds for which the name stays in use */
  giveBack (name: string, lasting = 0): void {
    const now = performance.now()
    const use = this.#uses.get(name)!
    use.takers--
    use.until = Math.max(use.until, now + lasting)
    this.#freeIfUnused(name, use, now)
  }

  #add (name: string): Use {
    if (this.#uses.size >= this.#limit) this.#freeUnused()
    if (this.#uses.size >= this.#limit) throw Object.assign(new TOO_MANY_CHANNELS(this.#limit), { headers: { 'retry-after': RETRY_AFTER } })
    const use = { takers: 0, until: 0 }
    this.#uses.set(name, use)
    return use
  }

  #freeUnused (): void {
    const now = performance.now()
    for (const [name, use] of this.#uses) this.#freeIfUnused(name, use, now)
  }

  #freeIfUnused (name: string, { takers, until }: Use, now: number): void {
    if (takers === 0 && until <= now) this.#uses.delete(name)
  }
}
