import type { Delay } from './retry.ts'

/** A pause that may be cut short. */
export class Pause {
  /** Resolved when it is over. */
  readonly over: Promise<void>
  readonly #begun = Date.now()
  readonly #asked: number
  #timer: ReturnType<typeof setTimeout>
  #resolve!: () => void

  constructor ({ delay, asked }: Delay) {
    this.#asked = asked
    this.over = new Promise(resolve => { this.#resolve = resolve })
    this.#timer = setTimeout(this.#resolve, delay)
  }

  /** Shortens it to what the server asked for. */
  hurry (): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#resolve, this.#begun + this.#asked - Date.now())
  }

  end (): void {
    clearTimeout(this.#timer)
    this.#resolve()
  }
}
