import { deliver, subscribe } from '../fan-out.js'

export { options } from '../fan-out.js'

/** One of them is looked at. */
const SUBSCRIBERS = 10
const RATE = 1_000

export const title = 'Published on one node, received from another by way of Redis; beside a single node. 1,000 events a second of 64 B, and as many as there can be'
export const contestants = ['ours', 'ours-redis']
export const columns = ['p50, ms', 'p99, ms', 'events/s, 64 at a time', 'µs of CPU an event']
export const turns = 5
export const warmUp = 1

export async function round (tools, { quick }) {
  const { ask, load } = tools
  await subscribe(tools, SUBSCRIBERS)
  // A new server's code has to be compiled first.
  await deliver(tools, SUBSCRIBERS, { count: 500, size: 64, perTurn: 1 })
  await load('latencies')
  const { events } = await ask('steady', { rate: RATE, ms: quick ? 1_000 : 5_000, size: 64 })
  const { missing } = await load('receive', { events: events * SUBSCRIBERS })
  if (missing !== 0) throw new Error(`${missing} events are missing`)
  const { p50, p99 } = await load('latencies')
  await load('leave')
  const { rate, cpu } = await ask('flood', { ms: quick ? 500 : 2_000, size: 64, concurrency: 64 })
  return [p50, p99, rate, cpu]
}
