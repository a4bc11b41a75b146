/**
 * Where the things of one partition are in Redis. The part in braces is what Redis Cluster places a key by, so that all
 * that one script touches is on one node: the first such part counts, whatever is in a channel's name.
 */
export class Keys {
  readonly log: string
  readonly wait: string
  readonly #root: string

  /**
   * @param prefix what all names begin with
   * @param tag the partition's
   */
  constructor (prefix: string, tag: string) {
    this.#root = `${prefix}{${tag}}:`
    this.log = `${this.#root}log`
    this.wait = `${this.#root}wait`
  }

  history (channel: string): string {
    return `${this.#root}history:${nameOf(channel)}`
  }

  once (channel: string, idempotencyKey: string): string {
    return `${this.#root}once:${nameOf(channel)}\n${nameOf(idempotencyKey)}`
  }

  /** Where a channel is heard. */
  live (channel: string): string {
    return `${this.#root}live:${nameOf(channel)}`
  }

  /** Where a node hears itself. */
  node (id: string): string {
    return `${this.#root}node:${id}`
  }
}

/** A text as Redis may have it: another for each text, also for one that is not well-formed, and without a line break. */
export function nameOf (text: string): string {
  return JSON.stringify(text).slice(1, -1)
}
