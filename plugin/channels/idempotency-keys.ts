import { hash } from 'node:crypto'
import { currentTime } from '../base/clock.ts'
import { SSE_ERR_IDEMPOTENCY_KEY } from '../base/errors.ts'
import type { SsePayload } from '../wire/entry.ts'
import type { SsePublished } from './broker.ts'
import { stringifyPayload } from './payload-text.ts'

/** Milliseconds for which a broker remembers an idempotency key. */
export const IDEMPOTENCY_KEY_RETENTION = 10 * 60 * 1_000
const MAX_KEYS = 100_000
/** Up to this many characters, remembering a payload costs less than hashing it. The beginning and most ends of runs are shorter. */
const MAX_PLAIN_LENGTH = 192

interface Publication {
  readonly id: string
  /** Identifies the payload. */
  readonly digest: string
  /** On the clock of `currentTime()`. */
  readonly expiresAt: number
}

/** The idempotency keys that a memory broker remembers: up to 100,000, for ten minutes. */
export class IdempotencyKeys {
  /** By channel and key, in the order in which they expire. */
  readonly #publications = new Map<string, Publication>()

  /**
   * Publishes a payload, unless that was done under the same key.
   *
   * @param publish returns the id of the new event
   * @throws SSE_ERR_IDEMPOTENCY_KEY if the key was used for a different payload on this channel; and the error of `publish`
   */
  publishOnce (channel: string, key: string, payload: SsePayload, publish: () => string): SsePublished {
    this.#expire()
    const name = `${channel}\n${key}`
    const digest = digestOf(payload)
    const earlier = this.#publications.get(name)
    if (earlier === undefined) {
      const id = publish()
      this.#remember(name, { id, digest, expiresAt: currentTime() + IDEMPOTENCY_KEY_RETENTION })
      return { id, repeated: false }
    }
    if (earlier.digest !== digest) throw new SSE_ERR_IDEMPOTENCY_KEY()
    return { id: earlier.id, repeated: true }
  }

  clear (): void {
    this.#publications.clear()
  }

  #remember (name: string, publication: Publication): void {
    this.#publications.set(name, publication)
    if (this.#publications.size <= MAX_KEYS) return
    const [oldest] = this.#publications.keys()
    this.#publications.delete(oldest!)
  }

  #expire (): void {
    const now = currentTime()
    for (const [name, { expiresAt }] of this.#publications) {
      if (expiresAt > now) return
      this.#publications.delete(name)
    }
  }
}

/** Returns the same text for equal payloads. A short payload is its own digest. */
function digestOf (payload: SsePayload): string {
  const text = stringifyPayload(payload)
  return text.length <= MAX_PLAIN_LENGTH ? text : hash('sha256', text, 'base64')
}
