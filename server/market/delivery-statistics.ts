/** Milliseconds between two samples, and how many are kept: ten minutes. */
export const SAMPLE = 1_000
export const SAMPLES = 600

/**
 * What the server has done. The numbers only rise, but that of clients, so that a rate over any time is the difference
 * of two samples.
 */
export interface Sample {
  /** In milliseconds since 1970. */
  readonly time: number
  /** Streams that are open. */
  readonly clients: number
  /** Events that were delivered: of each that was published, as many as followed its channel then. */
  readonly delivered: number
  /** Bytes of their data. What frames an event and what is sent again are not counted. */
  readonly bytes: number
}

/** Counts what is delivered, and says so every second. */
export class Statistics {
  readonly #samples: Sample[] = []
  #delivered = 0
  #bytes = 0

  count (followers: number, bytes: number): void {
    this.#delivered += followers
    this.#bytes += followers * bytes
  }

  /** @returns what there is to say, if it is a second since the last time */
  sample (time: number, clients: number): Sample | undefined {
    const last = this.#samples.at(-1)
    if (last !== undefined && time < last.time + SAMPLE) return undefined
    const sample = { time, clients, delivered: this.#delivered, bytes: this.#bytes }
    this.#samples.push(sample)
    if (this.#samples.length > SAMPLES) this.#samples.shift()
    return sample
  }

  /** A snapshot of all samples, the oldest first. */
  list (): Sample[] {
    return [...this.#samples]
  }
}
