import { SSE_ERR_BROKER_UNKNOWN } from './errors.ts'
import type { Keys } from './keys.ts'
import type { Line } from './reconnecting-client.ts'
import { refusal } from './redis-log.ts'
import type { WaitSettings } from './options.ts'

/**
 * Waits until replicas have what was published. Redis answers nothing else on a connection that waits, so this has one
 * of its own, and all that was published meanwhile waits together.
 */
export class Replicas {
  readonly #line: Line
  readonly #keys: Keys
  readonly #wait: WaitSettings
  /** The round that is going on, and the one that begins after it. */
  #current: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor (line: Line, keys: Keys, wait: WaitSettings) {
    this.#line = line
    this.#keys = keys
    this.#wait = wait
  }

  /** @throws SSE_ERR_BROKER_UNKNOWN if too few replicas say that they have what was published before */
  async confirm (): Promise<void> {
    this.#next ??= this.#current.catch(() => {}).then(() => {
      this.#current = this.#next!
      this.#next = undefined
      return this.#ask()
    })
    await this.#next
  }

  async #ask (): Promise<void> {
    const { replicas, timeout } = this.#wait
    let confirmed: unknown
    await this.#line.attempted
    try {
      // Redis waits for what was written by the same connection; before this comes all that others have written.
      ;[, confirmed] = await Promise.all([
        this.#line.call(['SET', this.#keys.wait, '', 'PX', '1000']),
        this.#line.call(['WAIT', `${replicas}`, `${timeout}`])
      ])
    } catch (error) {
      throw new SSE_ERR_BROKER_UNKNOWN((refusal(error) as Error).message, { cause: error })
    }
    if (Number(confirmed) < replicas) throw new SSE_ERR_BROKER_UNKNOWN(`${confirmed} of ${replicas} replicas have confirmed it within ${timeout} ms`)
  }
}
