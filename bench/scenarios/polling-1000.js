import { SIZE } from '../polling.js'
import { sleep } from '../processes.js'

const CLIENTS = 1_000
/** Events a second. */
const RATE = 10

export const title = '1,000 clients that want to know the newest of 10 events of 600 B a second: pushed, and polled. An age is that of the newest event a client knows, over all clients and moments'
export const contestants = ['polling-push', 'polling-100ms', 'polling-1s', 'polling-5s']
export const columns = ['requests/s', 'kB/s to clients', 'kB/s from clients', '% of a core', 'age on average, ms', 'p50, ms', 'p99, ms', 'events seen, %']
export const baseline = 'polling-push'
/** Bytes, CPU and age. Nothing is a multiple of no requests. */
export const compared = [1, 3, 4]
export const turns = 3
/** Heartbeats are measured elsewhere. */
export const options = { heartbeat: 10 * 60 * 1_000 }

/** Has events published for a while, the last of them as long before its end as every other before the next. */
async function publish (ask, ms) {
  const { events } = await ask('steady', { rate: RATE, size: SIZE, ms })
  await sleep(1_000 / RATE)
  return events
}

export async function round ({ ask, load }, { quick }) {
  const clients = await ask('clients')
  await load('come', { ...clients, count: CLIENTS })
  // Until each has learned something, at a moment of its own.
  await publish(ask, 1_000 + (clients.interval ?? 1_000))
  await load('watch')
  const before = await ask('usage')
  const events = await publish(ask, quick ? 5_000 : 10_000)
  const after = await ask('usage')
  const { seconds, requests, received, sent, events: seen, mean, p50, p99 } = await load('figures')
  return [
    requests / seconds, received / seconds / 1_000, sent / seconds / 1_000,
    (after.cpu - before.cpu) / (seconds * 1e6) * 100,
    mean, p50, p99,
    seen / (events * CLIENTS) * 100
  ]
}
