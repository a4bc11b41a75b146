import { SSE_ERR_FULL, SSE_ERR_FULL_FOR_KEY } from '../base/errors.ts'
import type { ConnectionSettings } from './options.ts'

/** Counts open streams, and refuses those beyond `maxConnections` and `maxConnectionsPerKey`. */
export class ConnectionLimits {
  readonly #settings: ConnectionSettings
  readonly #perKey = new Map<string, number>()
  #size = 0

  constructor (settings: ConnectionSettings) {
    this.#settings = settings
  }

  /** Counts a stream. @throws SSE_ERR_FULL or SSE_ERR_FULL_FOR_KEY if it exceeds a limit */
  add (key: string | undefined): void {
    const { maxConnections, maxConnectionsPerKey } = this.#settings
    if (maxConnections > 0 && this.#size >= maxConnections) throw new SSE_ERR_FULL()
    const ofKey = key === undefined ? 0 : this.#perKey.get(key) ?? 0
    if (maxConnectionsPerKey > 0 && ofKey >= maxConnectionsPerKey) throw new SSE_ERR_FULL_FOR_KEY()
    this.#size++
    if (key !== undefined) this.#perKey.set(key, ofKey + 1)
  }

  /** Removes a stream that was counted. */
  remove (key: string | undefined): void {
    this.#size--
    if (key === undefined) return
    const left = this.#perKey.get(key)! - 1
    if (left === 0) this.#perKey.delete(key)
    else this.#perKey.set(key, left)
  }
}
