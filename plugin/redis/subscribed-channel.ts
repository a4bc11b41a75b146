import type { SseBrokerListener } from '../channels/broker.ts'
import { Deferred } from '../base/deferred.ts'

/** A listener's place at a channel. */
export interface Seat {
  readonly listener: SseBrokerListener
  /** The last entry it was given, or where it stands. */
  given: string
}

/** A channel that somebody follows here. */
export class Feed {
  readonly channel: string
  /** The name under which it is heard. */
  readonly heard: string
  readonly seats = new Set<Seat>()
  /** Settled when everything that is published from then on comes. */
  readonly joined = new Deferred<void>()
  /** The last entry that came, or where it began; undefined until it has joined. */
  last: string | undefined

  constructor (channel: string, heard: string) {
    this.channel = channel
    this.heard = heard
  }

  /** Everybody stands here, whatever came before. */
  stand (id: string): void {
    this.last = id
    for (const seat of this.seats) seat.given = id
  }
}
