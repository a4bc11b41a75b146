/**
 * The names of one partition's keys and pub/sub channels in Redis.
 *
 * Redis Cluster chooses a key's slot by its hash tag, the first part in braces. All names of a partition begin with the
 * same hash tag, whatever a channel is called, so one script can use them together.
 */
export class RedisKeys {
  readonly log: string
  readonly wait: string
  readonly #root: string

  /**
   * @param prefix what all names begin with
   * @param hashTag the hash tag of the partition
   */
  constructor (prefix: string, hashTag: string) {
    this.#root = `${prefix}{${hashTag}}:`
    this.log = `${this.#root}log`
    this.wait = `${this.#root}wait`
  }

  history (channel: string): string {
    return `${this.#root}history:${escapeName(channel)}`
  }

  publication (channel: string, idempotencyKey: string): string {
    return `${this.#root}once:${escapeName(channel)}\n${escapeName(idempotencyKey)}`
  }

  /** The pub/sub channel for the events of a channel. */
  pubsubChannel (channel: string): string {
    return `${this.#root}live:${escapeName(channel)}`
  }

  /** The pub/sub channel on which a broker receives its own markers. */
  markerChannel (brokerId: string): string {
    return `${this.#root}node:${brokerId}`
  }
}

/** Makes a name well-formed UTF-8 without line breaks. Different names stay different. */
export function escapeName (name: string): string {
  return JSON.stringify(name).slice(1, -1)
}
