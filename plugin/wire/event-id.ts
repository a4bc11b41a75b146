import { randomBytes } from 'node:crypto'

/**
 * The ids of published events: `<epoch>.<ms>-<seq>`.
 *
 * The epoch identifies the log: the memory broker has a new one in every process, other brokers keep it in their store. An
 * id of another epoch has no meaning in this log. Within an epoch, ids rise over all channels, so that one id is a position
 * in any number of them. `ms` is the time of the event in milliseconds since 1970, and `seq` distinguishes the events of one
 * millisecond.
 *
 * An id must be valid in a `Last-Event-ID` header of a cross-origin request without a preflight: at most 128 bytes, and no
 * colon (Fetch standard, "CORS-unsafe request-header byte").
 */
const MAX_SEQ = 999_999_999_999_999
const ID = /^([a-z0-9]{1,32})\.(\d{1,15})-(\d{1,15})$/

/** The epoch of an id; undefined for any other text. */
export function epochOf (id: string): string | undefined {
  return ID.exec(id)?.[1]
}

/** Whether a value is an id. */
export function isId (value: unknown): value is string {
  return typeof value === 'string' && ID.test(value)
}

/** Compares two ids of the same epoch, for `Array.prototype.sort`. */
export function compareIds (a: string, b: string): number {
  if (a === b) return 0
  const dot = a.indexOf('.')
  if (a.length === b.length && b.indexOf('.') === dot && a.indexOf('-') === b.indexOf('-')) {
    // Numbers of the same length have the order of their digits, which is faster to compare.
    const [aNumbers, bNumbers] = [a.slice(dot), b.slice(dot)]
    return aNumbers < bNumbers ? -1 : aNumbers > bNumbers ? 1 : 0
  }
  const [, , aMs, aSeq] = ID.exec(a)!
  const [, , bMs, bSeq] = ID.exec(b)!
  return Number(aMs) - Number(bMs) || Number(aSeq) - Number(bSeq)
}

/** The time of an event in milliseconds since 1970, by the clock of the log. */
export function millisecondsOf (id: string): number {
  return Number(ID.exec(id)![2])
}

/** The earlier one of two ids of the same epoch. */
export function earlierId (a: string, b: string): string {
  return compareIds(a, b) < 0 ? a : b
}

/** The later one of two ids of the same epoch. */
export function laterId (a: string, b: string): string {
  return compareIds(a, b) < 0 ? b : a
}

/** Returns the latest id before an id; the first possible id is returned unchanged. */
export function idBefore (id: string): string {
  const [, epoch, ms, seq] = ID.exec(id)!
  if (Number(seq) > 0) return `${epoch}.${ms}-${Number(seq) - 1}`
  return Number(ms) > 0 ? `${epoch}.${Number(ms) - 1}-${MAX_SEQ}` : id
}

/** The position before all events of an epoch. No event has this id. */
export function idBeforeAll (epoch: string): string {
  return `${epoch}.0-0`
}

/** Creates a random epoch. */
export function newEpoch (): string {
  return randomBytes(8).readBigUInt64BE().toString(36)
}

/** Generates ids that rise even if the system clock is set back. */
export class IdGenerator {
  readonly #epoch: string
  #ms = 0
  #seq = 0
  #last: string

  constructor (epoch = newEpoch()) {
    this.#epoch = epoch
    this.#last = idBeforeAll(epoch)
  }

  /** The id that was generated last, or the position before all events. */
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
