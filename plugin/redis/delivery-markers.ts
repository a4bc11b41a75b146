import { Deferred } from '../base/deferred.ts'
import type { ReconnectingClient } from './reconnecting-client.ts'
import type { LogState, RedisLog } from './redis-log.ts'

/** @param lastId the last id of the log when the marker was sent */
export type MarkerCallback = (lastId: string) => void

/** A message from this broker to itself. Redis keeps the order, so everything published before it arrives before it. */
export interface Marker {
  readonly name: string
  readonly arrived: Deferred<void>
  /** Called when everything that arrived before the marker has been processed. */
  readonly onProcessed: MarkerCallback
}

/** The markers that are on their way. */
export class Markers {
  readonly #log: RedisLog
  readonly #subscriber: ReconnectingClient
  readonly #pending = new Map<string, Marker>()
  #names = 0

  constructor (log: RedisLog, subscriber: ReconnectingClient) {
    this.#log = log
    this.#subscriber = subscriber
  }

  newName (): string {
    return `${++this.#names}`
  }

  create (onProcessed: MarkerCallback): Marker {
    const marker: Marker = { name: this.newName(), arrived: new Deferred(), onProcessed }
    this.#pending.set(marker.name, marker)
    return marker
  }

  /** Sends a marker and waits until it arrives. @returns the state of the log when it was sent */
  async send (marker: Marker, channels: string[]): Promise<LogState> {
    const state = await this.#log.sync(marker.name, channels)
    await this.#subscriber.perform(() => marker.arrived.promise)
    return state
  }

  isPending ({ name }: Marker): boolean {
    return this.#pending.has(name)
  }

  cancel ({ name }: Marker): void {
    this.#pending.delete(name)
  }

  arrive (name: string): void {
    this.#pending.get(name)?.arrived.resolve()
  }

  process (name: string, lastId: string): void {
    const marker = this.#pending.get(name)
    this.#pending.delete(name)
    marker?.onProcessed(lastId)
  }

  /** Ends all pending markers as arrived. @returns their callbacks, which the caller has to call */
  takeAll (): MarkerCallback[] {
    const markers = Array.from(this.#pending.values())
    this.#pending.clear()
    for (const { arrived } of markers) arrived.resolve()
    return markers.map(({ onProcessed }) => onProcessed)
  }
}
