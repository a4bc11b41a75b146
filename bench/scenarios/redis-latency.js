import { deliver, receiveAll, subscribe } from '../fan-out-scenario.js'

export { options } from '../fan-out-scenario.js'

/** One of them measures latency. */
const SUBSCRIBERS = 10
const RATE = 1_000

export const title = 'Published on one node and received from another through Redis, compared with a single node: 1,000 events of 64 B per second, and as many as possible'
export const contestants = ['ours', 'ours-redis']
export const columns = ['p50, ms', 'p99, ms', 'events/s, 64 at a time', 'µs of CPU per event']
export const turns = 5
export const warmUp = 1

export async function round (tools, { quick }) {
  const { server, clients } = tools
  await subscribe(tools, SUBSCRIBERS)
  // Warm-up: V8 has to compile the code of a new server.
  await deliver(tools, SUBSCRIBERS, { count: 500, size: 64, perTurn: 1 })
  await clients('takeLatencies')
  const { events } = await server('publishAtRate', { rate: RATE, ms: quick ? 1_000 : 5_000, size: 64 })
  await receiveAll(clients, events * SUBSCRIBERS)
  const { p50, p99 } = await clients('takeLatencies')
  await clients('unsubscribe')
  const { rate, cpu } = await server('publishUnlimited', { ms: quick ? 500 : 2_000, size: 64, concurrency: 64 })
  return [p50, p99, rate, cpu]
}
