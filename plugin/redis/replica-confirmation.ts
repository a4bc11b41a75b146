import { reasonOf } from './error-classification.ts'
import { SSE_ERR_BROKER_UNKNOWN } from './errors.ts'
import type { RedisKeys } from './keys.ts'
import type { WaitSettings } from './options.ts'
import type { ReconnectingClient } from './reconnecting-client.ts'

/**
 * Waits until replicas have what was published. WAIT blocks its connection, so this has one of its own, and all
 * publications that arrive during one WAIT share the next.
 */
export class ReplicaConfirmation {
  readonly #client: ReconnectingClient
  readonly #keys: RedisKeys
  readonly #wait: WaitSettings
  #current: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor (client: ReconnectingClient, keys: RedisKeys, wait: WaitSettings) {
    this.#client = client
    this.#keys = keys
    this.#wait = wait
  }

  /** @throws SSE_ERR_BROKER_UNKNOWN if too few replicas confirm that they have everything published before the call */
  async confirm (): Promise<void> {
    this.#next ??= this.#current.catch(() => {}).then(() => {
      this.#current = this.#next!
      this.#next = undefined
      return this.#requestConfirmation()
    })
    await this.#next
  }

  async #requestConfirmation (): Promise<void> {
    const { replicas, timeout } = this.#wait
    let confirmed: unknown
    await this.#client.firstAttempt
    try {
      // WAIT concerns what the same connection has written. A write now comes after those of all other connections.
      ;[, confirmed] = await Promise.all([
        this.#client.call(['SET', this.#keys.wait, '', 'PX', '1000']),
        this.#client.call(['WAIT', `${replicas}`, `${timeout}`])
      ])
    } catch (error) {
      throw new SSE_ERR_BROKER_UNKNOWN(reasonOf(error as Error), { cause: error })
    }
    if (Number(confirmed) < replicas) throw new SSE_ERR_BROKER_UNKNOWN(`${confirmed} of ${replicas} replicas confirmed within ${timeout} ms`)
  }
}
