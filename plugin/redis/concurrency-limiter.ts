import { Deferred } from '../base/deferred.ts'
import { SSE_ERR_BROKER_BUSY } from './errors.ts'

/** Lets so many in at once, and has others wait for their turn, of whom there may be so many. */
export class Gate {
  readonly #maxWaiting: number
  readonly #waiting: Array<Deferred<void>> = []
  #free: number

  constructor (places: number, maxWaiting: number) {
    this.#free = places
    this.#maxWaiting = maxWaiting
  }

  /** @throws SSE_ERR_BROKER_BUSY if too many wait */
  async run<Result> (act: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--
    else await this.#wait()
    try {
      return await act()
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
