/** Shared by the fan-out scenarios. */
import { sleep } from './processes.js'

export const contestants = ['ours', 'socket-loop', 'bare', 'fastify-sse', 'better-sse', 'nchan']
/** So long that no heartbeat is sent; the scenario `idle` measures them. */
export const options = { heartbeat: 10 * 60 * 1_000 }

/** Milliseconds for a server to finish the work of accepting subscribers. */
const SETTLE_TIME = 500
/** Bytes per subscriber that are published before waiting for all of them; less than the system's socket buffers. */
const BATCH_SIZE = 16 * 1_024
/** Maximum bytes of an event in addition to its data. */
const FRAMING_SIZE = 64

/** Opens further subscriptions, until there are `count` of them. */
export async function subscribe ({ clients }, count) {
  const { added } = await clients('subscribe', { count })
  if (added > 0) await sleep(SETTLE_TIME)
}

export async function receiveAll (clients, events) {
  const { missing } = await clients('receiveEvents', { events })
  if (missing !== 0) throw new Error(`${missing} of ${events} events are missing`)
}

/**
 * Publishes events, and waits until all subscribers have received them.
 *
 * @returns microseconds of CPU per delivery, and deliveries per second
 */
export async function deliver ({ server, clients }, subscribers, { count, size, perTurn }) {
  const batch = Math.ceil(BATCH_SIZE / (size + FRAMING_SIZE) / perTurn) * perTurn
  const start = performance.now()
  const before = await server('cpuUsage')
  for (let remaining = count; remaining > 0; remaining -= batch) {
    const events = Math.min(remaining, batch)
    await server('publish', { count: events, size, perTurn })
    await receiveAll(clients, events * subscribers)
  }
  const after = await server('cpuUsage')
  const ms = performance.now() - start
  const deliveries = count * subscribers
  return [(after.cpu - before.cpu) / deliveries, deliveries / ms * 1_000]
}

const WORKLOADS = [
  { name: '64 B', size: 64, perTurn: 1 },
  { name: '64 B, ten per turn', size: 64, perTurn: 10 },
  { name: '1 KiB', size: 1_024, perTurn: 1 },
  { name: '1 KiB, ten per turn', size: 1_024, perTurn: 10 }
]

export const workloadColumns = WORKLOADS.flatMap(({ name }) => [`µs of CPU per delivery, ${name}`, 'deliveries/s'])

/**
 * Delivers all workloads to a number of subscribers.
 *
 * @param turns number of events of the workloads with one event per turn; the others need more for a measurement
 */
export async function deliverWorkloads (tools, subscribers, turns) {
  const row = []
  // Warm-up: other contestants ran in the meantime, and V8 has to compile the code of a new server.
  await deliver(tools, subscribers, { count: Math.ceil(turns / 4), size: 64, perTurn: 1 })
  for (const { size, perTurn } of WORKLOADS) {
    const count = perTurn === 1 ? turns : Math.ceil(3 * turns / perTurn) * perTurn
    row.push(...await deliver(tools, subscribers, { count, size, perTurn }))
  }
  return row
}
