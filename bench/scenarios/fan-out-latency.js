import { deliver, receiveAll, subscribe } from '../fan-out-scenario.js'
import { medians } from '../statistics.js'

export { contestants, options } from '../fan-out-scenario.js'

const SUBSCRIBERS = 200
const STALLED = SUBSCRIBERS / 100
const RATE = 100
/** Fills the buffers of the stalled subscribers: more data than the system buffers for a connection. */
const FILL_BUFFERS = { count: 1_024, size: 16 * 1_024, perTurn: 1 }

export const title = 'Latency from published to received: 200 subscribers, 100 events of 64 B per second'
export const columns = ['p50, ms', 'p99, ms', 'p50 with 1 % stalled', 'p99 with 1 % stalled', 'change of p99, %', 'range of p99 over rounds, %']
export const turns = 4
export const warmUp = 0

async function latencies (tools, ms) {
  const { server, clients } = tools
  await subscribe(tools, SUBSCRIBERS)
  // Warm-up: V8 has to compile the code of a new server.
  await deliver(tools, SUBSCRIBERS, { count: 50, size: 64, perTurn: 1 })
  const { events } = await server('publishAtRate', { rate: RATE, ms, size: 64 })
  await receiveAll(clients, events * SUBSCRIBERS)
  const { p50, p99 } = await clients('takeLatencies')
  return [p50, p99]
}

export async function round (tools, { quick }) {
  const { server, clients } = tools
  const ms = quick ? 1_000 : 2_000
  const withoutStalled = await latencies(tools, ms)
  await clients('unsubscribe')
  await clients('subscribeStalled', { count: STALLED })
  await server('publish', FILL_BUFFERS)
  const withStalled = await latencies(tools, ms)
  await clients('unsubscribe')
  return [...withoutStalled, ...withStalled]
}

/** Adds the columns that compare rounds and percentiles. */
export function summarize (rows) {
  const p99s = rows.map(([, p99]) => p99)
  const row = medians(rows)
  const [, p99, , p99WithStalled] = row
  return [...row, (p99WithStalled / p99 - 1) * 100, (Math.max(...p99s) - Math.min(...p99s)) / p99 * 100]
}
