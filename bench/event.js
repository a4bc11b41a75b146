/** What is published for the fan-out. A subscriber who knows this form counts events without parsing them. */
import { sleep } from './processes.js'

/** Of an event's data at least so many bytes. */
export const LEAST = 64
/** Milliseconds from one delta of a model's to the next. */
export const PACE = 20
/** The byte with which data begins, and which is nowhere else in a stream. */
export const MARK = 0x7e

/** @param sentAt its moment by `now`, for receivers who measure how long it took */
export function eventData (size, sentAt = '') {
  return `~${sentAt} `.padEnd(size, 'x')
}

/** Microseconds, by a clock that is the same in all processes. */
export function now () {
  return Math.round(Number(process.hrtime.bigint()) / 1_000)
}

/**
 * Publishes at a rate that does not depend on how long it takes: what was held up is made up for.
 *
 * @param publish is given when it was due, and returns whether to go on
 * @returns how many were published
 */
export async function steadily ({ rate, ms }, publish) {
  const start = now()
  const dueAt = event => Math.round(start + event * 1e6 / rate)
  const count = Math.ceil(rate * ms / 1_000)
  for (let event = 0; event < count; event++) {
    const wait = dueAt(event) - now()
    if (wait > 0) await sleep(wait / 1_000)
    if (publish(dueAt(event)) === false) return event + 1
  }
  return count
}
