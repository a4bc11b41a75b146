import { SSE_ERR_FULL, SSE_ERR_FULL_FOR_CONNECTION, SSE_ERR_FULL_FOR_KEY } from '../base/errors.ts'
import type { ConnectionSettings } from './options.ts'

/** The user and the connection that a stream counts toward. */
export interface Counted {
  /** What the option `connectionKey` returned. */
  readonly key: string | undefined
  /** The HTTP/2 connection, which may have many streams. */
  readonly session: object | undefined
}

/** Counts open streams, and refuses those beyond `maxConnections`, `maxConnectionsPerKey` and `maxStreamsPerConnection`. */
export class ConnectionLimits {
  readonly #settings: ConnectionSettings
  readonly #perKey = new Map<string, number>()
  readonly #perSession = new Map<object, number>()
  #size = 0

  constructor (settings: ConnectionSettings) {
    this.#settings = settings
  }

  /** Counts a stream. @throws SSE_ERR_FULL, SSE_ERR_FULL_FOR_KEY or SSE_ERR_FULL_FOR_CONNECTION if it exceeds a limit */
  add ({ key, session }: Counted): void {
    const { maxConnections, maxConnectionsPerKey, maxStreamsPerConnection } = this.#settings
    if (isReached(maxConnections, this.#size)) throw new SSE_ERR_FULL()
    if (isReached(maxStreamsPerConnection, countOf(this.#perSession, session))) throw new SSE_ERR_FULL_FOR_CONNECTION()
    if (isReached(maxConnectionsPerKey, countOf(this.#perKey, key))) throw new SSE_ERR_FULL_FOR_KEY()
    this.#size++
    change(this.#perKey, key, 1)
    change(this.#perSession, session, 1)
  }

  /** Removes a stream that was counted. */
  remove ({ key, session }: Counted): void {
    this.#size--
    change(this.#perKey, key, -1)
    change(this.#perSession, session, -1)
  }
}

/** @param limit 0 sets none */
function isReached (limit: number, count: number): boolean {
  return limit > 0 && count >= limit
}

function countOf<Key> (counts: Map<Key, number>, key: Key | undefined): number {
  return key === undefined ? 0 : counts.get(key) ?? 0
}

function change<Key> (counts: Map<Key, number>, key: Key | undefined, by: number): void {
  if (key === undefined) return
  const count = countOf(counts, key) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
