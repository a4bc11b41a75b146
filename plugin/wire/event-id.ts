import { randomBytes } from 'node:crypto'

/**
 * The ids of published events: `<epoch>.<ms>-<seq>`.
 *
 * The epoch names the log that the id is from: of the memory broker, a process; of a broker with a store, what is in
 * the store. An id of another epoch says nothing about this log. Within an epoch, ids rise over all channels, so that
 * one id tells how far a client has got in any number of them. Milliseconds since 1970 tell an event's age; the number
 * after them tells apart what came in one.
 *
 * Ids are made of what `Last-Event-ID` carries to another origin without a preflight (Fetch standard, "CORS-unsafe
 * request-header byte"): no colon, no more than 128 bytes.
 */
const ID = /^([a-z0-9]{1,32})\.(\d{1,15})-(\d{1,15})$/

/** The epoch of an id; undefined of a text that is no id. */
export function epochOf (id: string): string | undefined {
  return ID.exec(id)?.[1]
}

/** Below 0 where `a` came before `b`, 0 where they are the same, above 0 where it came after. Both are ids of one epoch. */
export function compareIds (a: string, b: string): number {
  if (a === b) return 0
  const [, , aMs, aSeq] = ID.exec(a)!
  const [, , bMs, bSeq] = ID.exec(b)!
  return Number(aMs) - Number(bMs) || Number(aSeq) - Number(bSeq)
}

/** The later of two ids of one epoch. */
export function laterId (a: string, b: string): string {
  return compareIds(a, b) < 0 ? b : a
}

/** What is before every id of an epoch. */
export function idBeforeAll (epoch: string): string {
  return `${epoch}.0-0`
}

/** Returns an epoch that no other log has. */
export function newEpoch (): string {
  return randomBytes(8).readBigUInt64BE().toString(36)
}

/** Gives ids that rise, whatever the system's clock does. */
export class IdClock {
  readonly #epoch: string
  #ms = 0
  #seq = 0
  #last: string

  constructor (epoch = newEpoch()) {
    this.#epoch = epoch
    this.#last = idBeforeAll(epoch)
  }

  /** The last id it gave. */
  get last (): string {
    return this.#last
  }

  next (): string {
    const now = Date.now()
    if (now > this.#ms) {
      this.#ms = now
      this.#seq = 0
    } else {
      this.#seq++
    }
    this.#last = `${this.#epoch}.${this.#ms}-${this.#seq}`
    return this.#last
  }
}
