import type { Feed } from './subscribed-channel.ts'
import type { Line } from './reconnecting-client.ts'
import { isOutage, refusal } from './redis-log.ts'

/** Channels in one command. */
const TOGETHER = 512

/** Who hears. */
export interface HearingOwner {
  readonly onMessage: (message: string, heard: string) => void
  isFollowed (heard: string): boolean
  /** They are heard now. */
  onHeard (feeds: Feed[]): void
  /** Redis does not let us hear them. */
  onRefused (feeds: Feed[], error: unknown): void
}

/**
 * Tells Redis what is to be heard by a connection: one thing after the other, so that what somebody has come back to is
 * not given up after all.
 */
export class Hearing {
  readonly #line: Line
  readonly #sharded: boolean
  readonly #owner: HearingOwner
  readonly #joining = new Set<Feed>()
  /** Names of what nobody follows any more. */
  readonly #leaving = new Set<string>()
  #busy = false
  #closed = false

  /** @param sharded whether it is heard from one shard of a cluster, by another pub/sub than the whole has */
  constructor (line: Line, sharded: boolean, owner: HearingOwner) {
    this.#line = line
    this.#sharded = sharded
    this.#owner = owner
  }

  join (feed: Feed): void {
    this.#joining.add(feed)
    this.#work()
  }

  leave (heard: string): void {
    this.#leaving.add(heard)
    this.#work()
  }

  /** Has a new connection hear all this. */
  async prepare (names: string[]): Promise<void> {
    const subscriptions = []
    while (names.length > 0) subscriptions.push(this.#hear(names.splice(0, TOGETHER)))
    await Promise.all(subscriptions)
  }

  close (): void {
    this.#closed = true
  }

  async #work (): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    while (!this.#closed && (this.#joining.size > 0 || this.#leaving.size > 0)) {
      try {
        await this.#line.up
        await this.#leave()
        await this.#join()
      } catch {
        // It is tried again on the next connection, which does not hear what was to be left.
      }
    }
    this.#busy = false
  }

  async #leave (): Promise<void> {
    const names = Array.from(this.#leaving).slice(0, TOGETHER)
    for (const name of names) this.#leaving.delete(name)
    const left = names.filter(name => !this.#owner.isFollowed(name))
    if (left.length > 0) await this.#line.do(connection => this.#sharded ? connection.sUnsubscribe(left) : connection.unsubscribe(left))
  }

  async #join (): Promise<void> {
    const feeds = Array.from(this.#joining).slice(0, TOGETHER)
    if (feeds.length === 0) return
    try {
      await this.#hear(feeds.map(({ heard }) => heard))
    } catch (error) {
      if (isOutage(error)) throw error
      for (const feed of feeds) this.#joining.delete(feed)
      this.#owner.onRefused(feeds, refusal(error))
      return
    }
    for (const feed of feeds) this.#joining.delete(feed)
    this.#owner.onHeard(feeds)
  }

  async #hear (names: string[]): Promise<void> {
    const { onMessage } = this.#owner
    await this.#line.do(connection => this.#sharded ? connection.sSubscribe(names, onMessage) : connection.subscribe(names, onMessage))
  }
}
