import { setImmediate as nextTurn } from 'node:timers/promises'
import { Deferred } from '../base/deferred.ts'
import { epochOf } from '../wire/event-id.ts'
import { inBatches } from './batches.ts'
import { HeldMessages, type PubSubMessage } from './held-messages.ts'
import type { Listeners } from './listeners.ts'
import type { MarkerCallback, Markers } from './delivery-markers.ts'
import type { MarkerMessage } from './message-format.ts'
import { readMissedEntries } from './missed-entries.ts'
import type { ReconnectingClient } from './reconnecting-client.ts'
import type { RedisLog } from './redis-log.ts'

/** Entries that are delivered in one turn of the event loop. */
const DELIVERED_PER_TURN = 128

export interface RecoveryOptions {
  readonly commands: ReconnectingClient
  readonly subscriber: ReconnectingClient
  readonly log: RedisLog
  readonly markers: Markers
  readonly listeners: Listeners
  /** Processes a message that was held. */
  readonly processMessage: (message: PubSubMessage) => void
}

/**
 * Recovers entries that may have been missed. A marker divides what is published: entries before it are read from their
 * histories, and messages after it are held until those have been delivered. A listener receives a break instead if its
 * missed entries are unknown or too many.
 */
export class Recovery {
  readonly #options: RecoveryOptions
  readonly #held = new HeldMessages()
  #running = false
  /** Whether to recover once more. */
  #requested = false
  #closed = false
  /** The marker after which messages are held. */
  #marker: { readonly name: string, readonly arrived: Deferred<string> } | undefined
  /** Callbacks of other markers, which are called when everything missed has been delivered. */
  #callbacks: MarkerCallback[] = []

  constructor (options: RecoveryOptions) {
    this.#options = options
  }

  /** While it runs, messages have to be held. */
  get isRunning (): boolean {
    return this.#running
  }

  /** Starts a recovery, after the current one if there is one. */
  async start (): Promise<void> {
    this.#requested = true
    if (this.#running) return
    this.#running = true
    while (this.#requested && !this.#closed) {
      try {
        await this.#recover()
      } catch {
        // The loop retries once there are connections.
        this.#requested = true
      }
      await this.#releaseHeld()
    }
    this.#running = false
  }

  hold (message: PubSubMessage): void {
    // Messages that don't fit are read by another recovery.
    if (!this.#held.add(message)) this.#requested = true
  }

  /** @returns whether it is the marker of this recovery */
  arrive ({ name, lastId }: MarkerMessage): boolean {
    if (name !== this.#marker?.name) return false
    this.#held.clear()
    this.#callbacks.push(...this.#options.markers.takeAll())
    this.#marker.arrived.resolve(lastId)
    return true
  }

  close (): void {
    this.#closed = true
    this.#held.clear()
  }

  async #recover (): Promise<void> {
    const { commands, subscriber, log, markers, listeners } = this.#options
    await commands.ready
    await subscriber.ready
    const mayRead = !this.#held.overflowed
    const marker = this.#marker = { name: markers.newName(), arrived: new Deferred<string>() }
    await log.sync(marker.name, [])
    this.#requested = false
    const lastId = await subscriber.perform(() => marker.arrived.promise)
    if (epochOf(lastId) === listeners.epoch) await this.#deliverMissed(lastId, mayRead)
    else await this.#startEpoch(lastId)
    for (const callback of this.#callbacks.splice(0)) callback(lastId)
  }

  async #startEpoch (lastId: string): Promise<void> {
    // A listener that has just subscribed receives its subscription before it is called.
    await nextTurn()
    this.#options.listeners.startEpoch(lastId)
  }

  /** Delivers the entries up to an id that were missed. */
  async #deliverMissed (lastId: string, mayRead: boolean): Promise<void> {
    const { log, listeners } = this.#options
    const { entries, broken } = await readMissedEntries(log, listeners.joinedChannels, listeners.position, lastId, mayRead)
    await nextTurn()
    // Breaks come first: a client that continues with another channel must not believe that it has missed nothing.
    listeners.announceBreak(broken, lastId)
    for (const [index, batch] of inBatches(entries, DELIVERED_PER_TURN).entries()) {
      if (index > 0) await nextTurn()
      for (const { channel, entry } of batch) {
        listeners.deliver(channel, entry)
        listeners.advance(entry.id)
      }
    }
    listeners.advance(lastId)
  }

  /** Processes the messages that are held, and those that arrive meanwhile. */
  async #releaseHeld (): Promise<void> {
    for (let held = this.#held.take(); held.length > 0; held = this.#held.take()) {
      for (const [index, batch] of inBatches(held, DELIVERED_PER_TURN).entries()) {
        if (index > 0) await nextTurn()
        for (const message of batch) {
          if (this.#requested || this.#closed) return
          this.#options.processMessage(message)
        }
      }
    }
  }
}
