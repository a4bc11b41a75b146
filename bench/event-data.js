/** The data of published events, in a form that lets a client count events without parsing them. */
import { sleep } from './processes.js'

/** Minimum size of an event's data in bytes. */
export const MIN_SIZE = 64
/** Milliseconds between two deltas of the model. */
export const DELTA_INTERVAL = 20
/** The first byte of the data, which appears nowhere else in a stream. */
export const MARK = 0x7e

/** @param sentAt a time of `now()`, for clients that measure latency */
export function eventData (size, sentAt = '') {
  return `~${sentAt} `.padEnd(size, 'x')
}

/** Microseconds on a clock that all processes share. */
export function now () {
  return Math.round(Number(process.hrtime.bigint()) / 1_000)
}

/**
 * Publishes at a fixed rate. Delayed events are published as soon as possible, so that the average rate is kept.
 *
 * @param publish called with the time at which the event was due; returns false to stop
 * @returns the number of events
 */
export async function publishAtRate ({ rate, ms }, publish) {
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
