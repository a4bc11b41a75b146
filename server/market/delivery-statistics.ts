/** Milliseconds between two samples. */
export const SAMPLE_INTERVAL = 1_000
/** Samples kept: ten minutes. */
export const MAX_SAMPLES = 600

/**
 * What the server has delivered so far. All numbers except `clients` only increase, so the rate over any period is the
 * difference of two samples.
 */
export interface DeliverySample {
  /** In milliseconds since 1970. */
  readonly time: number
  /** Open streams. */
  readonly clients: number
  /** Events delivered: each published event counts once per subscriber of its channel at that time. */
  readonly delivered: number
  /** Bytes of event data delivered. Framing and replayed events are not counted. */
  readonly bytes: number
}

/** Counts deliveries and takes a sample every second. */
export class DeliveryStatistics {
  readonly #samples: DeliverySample[] = []
  #delivered = 0
  #bytes = 0

  count (subscribers: number, bytes: number): void {
    this.#delivered += subscribers
    this.#bytes += subscribers * bytes
  }

  /** @returns a new sample, or undefined if the previous one is less than a second old */
  sample (time: number, clients: number): DeliverySample | undefined {
    const last = this.#samples.at(-1)
    if (last !== undefined && time < last.time + SAMPLE_INTERVAL) return undefined
    const sample = { time, clients, delivered: this.#delivered, bytes: this.#bytes }
    this.#samples.push(sample)
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift()
    return sample
  }

  /** A snapshot of all samples, oldest first. */
  list (): DeliverySample[] {
    return [...this.#samples]
  }
}
