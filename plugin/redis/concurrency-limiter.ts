import { Deferred } from '../base/deferred.ts'
import { SSE_ERR_BROKER_BUSY } from './errors.ts'

/** Limits how many tasks run at once. Further tasks wait in a queue, which is limited as well. */
export class ConcurrencyLimiter {
  readonly #maxWaiting: number
  readonly #waiting: Array<Deferred<void>> = []
  #free: number

  constructor (maxRunning: number, maxWaiting: number) {
    this.#free = maxRunning
    this.#maxWaiting = maxWaiting
  }

  /** @throws SSE_ERR_BROKER_BUSY if the queue is full */
  async run<Result> (task: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--
    else await this.#wait()
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next.resolve()
    }
  }

  async #wait (): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting) throw new SSE_ERR_BROKER_BUSY()
    const turn = new Deferred<void>()
    this.#waiting.push(turn)
    await turn.promise
  }
}
