/**
 * Where things are in Redis. The part in braces is what Redis Cluster places a key by, so that all that one script
 * touches is on one node.
 */
export class Keys {
  readonly log: string
  readonly wait: string
  readonly #root: string

  /** @param prefix what all names begin with */
  constructor (prefix: string) {
    this.#root = `${prefix}{0}:`
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
