import { SIZE } from '../polled-server.js'
import { sleep } from '../processes.js'

const CLIENTS = 1_000
/** Events per second. */
const RATE = 10

export const title = '1,000 clients that need the newest of 10 events of 600 B per second, streamed and polled. Data age: time since the newest event that a client knows was published, over all clients and moments'
export const contestants = ['polling-push', 'polling-100ms', 'polling-1s', 'polling-5s']
export const columns = ['requests/s', 'kB/s to clients', 'kB/s from clients', '% of a core', 'mean data age, ms', 'p50, ms', 'p99, ms', 'events seen, %']
export const baseline = 'polling-push'
/** Bytes, CPU and data age. The stream makes no requests, so that there is no ratio of requests. */
export const compared = [1, 3, 4]
export const turns = 3
/** So long that no heartbeat is sent; the scenario `idle` measures them. */
export const options = { heartbeat: 10 * 60 * 1_000 }

/** Publishes at a fixed rate, and waits for the time until the next event would be due. */
async function publish (server, ms) {
  const { events } = await server('publishAtRate', { rate: RATE, size: SIZE, ms })
  await sleep(1_000 / RATE)
  return events
}

export async function round ({ server, clients }, { quick }) {
  const clientOptions = await server('clientOptions')
  await clients('startClients', { ...clientOptions, count: CLIENTS })
  // Until every client has received an event.
  await publish(server, 1_000 + (clientOptions.interval ?? 1_000))
  await clients('startMeasurement')
  const before = await server('cpuUsage')
  const events = await publish(server, quick ? 5_000 : 10_000)
  const after = await server('cpuUsage')
  const { seconds, requests, bytesReceived, bytesSent, eventsSeen, mean, p50, p99 } = await clients('finishMeasurement')
  return [
    requests / seconds, bytesReceived / seconds / 1_000, bytesSent / seconds / 1_000,
    (after.cpu - before.cpu) / (seconds * 1e6) * 100,
    mean, p50, p99,
    eventsSeen / (events * CLIENTS) * 100
  ]
}
